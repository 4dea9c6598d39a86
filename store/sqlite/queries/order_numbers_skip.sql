-- a row here, a sequence in Postgres
update order_numbers set last = $1 where last < $1
