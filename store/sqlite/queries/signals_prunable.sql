-- Signals read long ago, whose saga is gone; a walk in stretches, as in sagas_prunable.
select seq as id,
       created_at < $1 as began_before,
       (consumed_at is not null
        and consumed_at < $1
        and not exists (select 1 from sagas where sagas.id = signals.saga_id)) as may_go
from signals
where seq > $2
order by seq
limit $3
