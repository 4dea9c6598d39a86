-- Signals read long ago, whose saga is gone.
-- Materialized: read again for every candidate, the limited list would lock and name more than its limit.
with old as materialized (
    select saga_id, dedupe from signals
    where consumed_at < $1 and not exists (select from sagas where sagas.id = signals.saga_id)
    limit $2
    for no key update skip locked
)
delete from signals using old where signals.saga_id = old.saga_id and signals.dedupe = old.dedupe
