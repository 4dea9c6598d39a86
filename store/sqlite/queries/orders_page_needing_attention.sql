-- From the few dead sagas to their orders, not the other way round. `+id` keeps the list of these
-- orders, not the whole table, as the way in.
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
  and id in (select sagas.id >> 20 from sagas where sagas.state = 'DEAD')
  and +id < $10
order by id desc
limit $11
