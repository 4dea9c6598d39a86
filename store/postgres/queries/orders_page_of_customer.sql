-- apart from the page of all: a customer's page is a range of their index, however many orders there are.
-- A filter that is null does not filter; it comes second, so that Postgres knows its type by then.
-- The low 20 bits of a saga's id are its slot; many values are an array here, a JSON document in SQLite
select id
from orders
where customer = $1
  and (status = any($2) or $2 is null)
  and (method = $3 or $3 is null)
  and (cancel_reason = $4 or $4 is null)
  and (lower(contact ->> 'email') = lower($5) or $5 is null)
  and (accepted_at >= $6 or $6 is null)
  and (accepted_at < $7 or $7 is null)
  and (translate(contact ->> 'phone', ' -()./', '') = $8 or $8 is null)
  and (total_minor >= $9 or $9 is null)
  and (total_minor <= $10 or $10 is null)
  and id < $11
  and (exists (select 1 from sagas
               where sagas.state = 'DEAD' and sagas.id between orders.id << 20 and (orders.id << 20) + 1048575) = $12
       or $12 is null)
order by id desc
limit $13
