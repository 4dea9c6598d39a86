delete from signals
where (saga_id, dedupe) in (
    select saga_id, dedupe from signals where consumed_at < $1 limit $2 for no key update skip locked
)
