-- many rows are a JSON document here, arrays in Postgres
select order_id, sku, quantity, unit_price_minor
from order_lines
where order_id in (select value from json_each($1))
order by order_id, sku
