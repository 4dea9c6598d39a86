-- the search is another statement, `sagas_prunable`, which runs outside of the writer's turn
-- checked again, because the list was made before this transaction began.
delete from sagas
where id in (select value from json_each($1))
  and state in ('COMPLETED', 'COMPENSATED')
  and wake_at is null
  and updated_at < $2
  and not exists (
      select 1 from signals
      where signals.saga_id = sagas.id and signals.consumed_at is null)
returning id
