-- the claim is the lock: a second request with the same key waits here for the first one's commit. SQLite takes its
-- numbers from a row, because it has no sequences
insert into idempotency_keys (key, body, order_id, created_at)
select key, body, nextval('order_number'), coalesce($3, statement_timestamp())
from unnest($1::uuid[], $2::uuid[]) as asked (key, body)
order by key
on conflict (key) do nothing
returning key, order_id, created_at
