-- a sequence here, a row in SQLite
select setval('order_number', $1) from order_number where $1 > 0 and (last_value < $1 or not is_called)
