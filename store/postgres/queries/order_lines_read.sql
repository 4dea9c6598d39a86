-- many rows are arrays here, a JSON document in SQLite
select order_id, sku, quantity, unit_price_minor from order_lines where order_id = any($1) order by order_id, sku
