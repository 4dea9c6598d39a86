-- a filter that is null does not filter; it comes second, so that Postgres knows its type by then
select id, at, actor, action, subject, detail, order_id
from admin_actions
where (order_id = $1 or $1 is null)
  and (actor = $2 or $2 is null)
  and (action = $3 or $3 is null)
  and (at >= $4 or $4 is null)
  and id < $5
order by id desc
limit $6
