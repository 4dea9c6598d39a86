-- Signals read long ago, whose saga is gone.
select seq
from signals
where consumed_at < ?1
  and not exists (select 1 from sagas where sagas.id = signals.saga_id)
order by seq
limit ?2
