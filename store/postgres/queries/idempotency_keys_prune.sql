-- materialized: read again for every candidate, the limited list would lock and name more than its limit
with old as materialized (
    select key from idempotency_keys where created_at < $1 order by created_at limit $2 for no key update skip locked
)
delete from idempotency_keys using old where idempotency_keys.key = old.key
