-- From the customer's orders to their messages, both newest first: a page ends as soon as it is full.
select saga_id, notice, channel, recipient, told.status, created_at, read_at, orders.customer, orders.accepted_at
from orders
cross join notifications as told on told.saga_id between orders.id << 8 and (orders.id << 8) + 255
where orders.customer = ?1
  and orders.id <= ?2 >> 8
  and told.saga_id < ?2
  and (?3 is null or ?3 = (read_at is null))
order by orders.id desc, told.saga_id desc
limit ?4
