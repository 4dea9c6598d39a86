-- the first time stays
update notifications
set read_at = $3
from orders
where saga_id = $1
  and orders.id = saga_id >> 8
  and read_at is null
  and ($2::text is null or orders.customer = $2)
