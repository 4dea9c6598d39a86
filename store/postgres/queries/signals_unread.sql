select saga_id, dedupe, seq, body::text as "body!", created_at
from signals
where saga_id = any($1) and consumed_at is null
order by seq
