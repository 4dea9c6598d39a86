-- a sequence here, a row in SQLite
select setval('order_number', $1) from order_number where last_value < $1
