-- apart from Postgres: many ids are a JSON document here, an array there
select saga_id, seq, dedupe, body, created_at
from signals
where saga_id in (select value from json_each($1))
  and consumed_at is null
order by seq
