-- apart from SQLite: many ids are an array here, a JSON document there
select saga_id, seq, dedupe, body, created_at
from signals
where saga_id = any($1) and consumed_at is null
order by seq
