-- a filter that is null does not filter. SQLite has a statement of its own for orders that need attention
select id
from orders
where ($1::text[] is null or status = any($1))
  and ($2::text is null or method = $2)
  and ($3::text is null or cancel_reason = $3)
  and ($4::text is null or lower(contact ->> 'email') = lower($4))
  and ($5::timestamptz is null or accepted_at >= $5)
  and ($6::timestamptz is null or accepted_at < $6)
  and ($7::text is null or translate(contact ->> 'phone', ' -()./', '') = $7)
  and ($8::bigint is null or total_minor >= $8)
  and ($9::bigint is null or total_minor <= $9)
  and ($10::bigint is null or id < $10)
  and ($11::boolean is null
       or $11 = exists (select from sagas where state = 'DEAD' and sagas.id between orders.id << 20 and orders.id << 20 | 1048575))
order by id desc
limit $12
