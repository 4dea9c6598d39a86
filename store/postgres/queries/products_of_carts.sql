-- sent behind the locks of the carts; SQLite reads the products once it has the carts
select sku, name, price_minor, currency, active
from products
where sku in (
    select item ->> 'sku' from carts cross join lateral json_array_elements(items) as item where carts.id = any($1)
)
