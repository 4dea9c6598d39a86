-- `cross join` keeps the order of the join; Postgres finds it itself
-- From the customer's orders to their notifications, both newest first: a page ends as soon as it is full.
select saga_id, notice, channel, sent.status, created_at, read_at, orders.customer, orders.accepted_at
from orders
cross join notifications as sent on sent.saga_id between orders.id << 20 and (orders.id << 20) + 1048575
where orders.customer = $1
  and orders.id <= $2 >> 20
  and sent.saga_id < $2
  and ($3 is null or $3 = (read_at is null))
order by orders.id desc, sent.saga_id desc
limit $4
