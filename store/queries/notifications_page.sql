-- a filter that is null does not filter; it comes second, so that Postgres knows its type by then
select saga_id, notice, channel, notifications.status, created_at, read_at, orders.customer,
       orders.accepted_at
from notifications
join orders on orders.id = saga_id >> 20
where saga_id < $1
  and ((read_at is null) = $2 or $2 is null)
order by saga_id desc
limit $3
