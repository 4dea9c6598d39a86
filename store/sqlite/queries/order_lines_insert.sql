insert into order_lines (order_id, sku, quantity, unit_price_minor)
select value ->> 'order', value ->> 'sku', value ->> 'quantity', value ->> 'unit_price_minor'
from json_each($1)
