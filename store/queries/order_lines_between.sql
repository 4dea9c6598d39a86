select order_id, sku, quantity, unit_price_minor
from order_lines
where order_id between $1 and $2
order by order_id, sku
