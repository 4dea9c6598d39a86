select sku, name, price_minor, currency, active
from products
where sku in (select value from json_each(?1))
