select order_id, status from reservations where order_id between $1 and $2
