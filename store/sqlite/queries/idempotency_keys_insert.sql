-- Postgres inserts them with their orders
-- `where true` tells the parser that `on conflict` does not belong to a join.
insert into idempotency_keys (key, body, order_id, created_at)
select value ->> 'key', value ->> 'body', value ->> 'order', $2
from json_each($1)
where true
on conflict (key) do nothing
