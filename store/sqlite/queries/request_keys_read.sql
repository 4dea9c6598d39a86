-- many rows are a JSON document here, arrays in Postgres
select key, body
from request_keys
where key in (select value from json_each($1))
