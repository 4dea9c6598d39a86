select saga_id, seq, dedupe, body, created_at
from signals
where saga_id between $1 and $2 and consumed_at is null
order by seq
