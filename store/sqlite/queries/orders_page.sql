-- orders that need attention are another statement, which Postgres does not need; many values are a JSON document here
select id
from orders
where ($1 is null or status in (select value from json_each($1)))
  and ($2 is null or method = $2)
  and ($3 is null or cancel_reason = $3)
  and ($4 is null or lower(contact ->> 'email') = lower($4))
  and ($5 is null or accepted_at >= $5)
  and ($6 is null or accepted_at < $6)
  and ($7 is null
       or replace(replace(replace(replace(replace(replace(contact ->> 'phone', ' ', ''), '-', ''), '(', ''), ')', ''), '.', ''), '/', '') = $7)
  and ($8 is null or total_minor >= $8)
  and ($9 is null or total_minor <= $9)
  -- the low 20 bits of a saga's id are its slot.
  and ($10 is null or not exists (
      select 1 from sagas
      where sagas.state = 'DEAD' and sagas.id between orders.id << 20 and (orders.id << 20) + 1048575))
  and id < $11
order by id desc
limit $12
