select order_id, status from reservations where order_id = any($1)
