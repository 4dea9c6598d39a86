select saga_id, notice, channel, notifications.status, created_at, read_at, orders.customer,
       orders.accepted_at
from notifications
join orders on orders.id = saga_id >> 20
where saga_id = $1
  and (orders.customer = $2 or $2 is null)
