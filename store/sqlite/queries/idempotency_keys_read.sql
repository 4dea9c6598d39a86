-- many rows are a JSON document here, arrays in Postgres
select key, body, order_id
from idempotency_keys
where key in (select value from json_each($1))
