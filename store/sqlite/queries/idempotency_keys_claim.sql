-- the numbers come from `order_numbers`; Postgres has a sequence for them
-- `where true` tells the parser that `on conflict` does not belong to a join.
insert into idempotency_keys (key, body, order_id, created_at)
select value ->> 'key', value ->> 'body', value ->> 'order', $2
from json_each($1)
where true
on conflict (key) do nothing
returning key, order_id
