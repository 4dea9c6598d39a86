-- searches and deletes in one statement; SQLite searches on a reader, outside of the writer's turn
-- Signals read long ago, whose saga is gone; a walk in stretches, as in sagas_prune.
-- A signal's dedupe id lives on for thirty days.
with stretch as materialized (
    select saga_id, created_at from signals where saga_id > $4 order by saga_id limit $3
), old as materialized (
    select saga_id, dedupe from signals
    where saga_id = any(array(select saga_id from stretch where created_at < $1))
      and consumed_at < $1
      and not exists (select from sagas where sagas.id = signals.saga_id)
    limit $2
    for no key update skip locked
), gone as (
    delete from signals using old
    where signals.saga_id = old.saga_id and signals.dedupe = old.dedupe
    returning signals.saga_id
)
select (select count(*) from gone) as pruned,
       (select max(saga_id) from stretch having bool_or(created_at < $1)) as last
