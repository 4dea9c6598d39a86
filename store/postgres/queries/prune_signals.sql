-- Signals read long ago, whose saga is gone.
delete from signals
where (saga_id, dedupe) in (
    select saga_id, dedupe from signals
    where consumed_at < $1 and not exists (select from sagas where sagas.id = signals.saga_id)
    limit $2
    for no key update skip locked
)
