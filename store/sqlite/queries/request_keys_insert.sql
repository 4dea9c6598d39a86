-- many rows are a JSON document here, arrays in Postgres
insert into request_keys (key, body, created_at)
select value ->> 'key', value ->> 'body', value ->> 'at'
from json_each($1)
