-- many rows are a JSON document here, arrays in Postgres
-- Read in the order of the array, so that signals are folded as they were sent.
insert into signals (saga_id, dedupe, body, created_at)
select value ->> 'saga', value ->> 'dedupe', value -> 'body', $2
from json_each($1)
where true
order by key
on conflict (saga_id, dedupe) do nothing
returning saga_id
