-- only the first time is kept
update notifications
set read_at = $3
from orders
where saga_id = $1
  and orders.id = saga_id >> 20
  and read_at is null
  and (orders.customer = $2 or $2 is null)
