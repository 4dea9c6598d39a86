-- many rows are a JSON document here, arrays in Postgres
select sku, name, price_minor, currency, active
from products
where sku in (select value from json_each($1))
