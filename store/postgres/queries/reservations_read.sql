-- many rows are arrays here, a JSON document in SQLite
select order_id, status from reservations where order_id = any($1)
