-- many rows are a JSON document here, arrays in Postgres
select sku, on_hand, reserved
from stock
where sku in (select value from json_each($1))
order by sku
