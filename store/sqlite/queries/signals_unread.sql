select seq, saga_id, dedupe, body, created_at
from signals
where saga_id in (select value from json_each(?1))
  and consumed_at is null
order by seq
