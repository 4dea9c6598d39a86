-- many rows are arrays here, a JSON document in SQLite
select sku, on_hand, reserved from stock where sku = any($1)
