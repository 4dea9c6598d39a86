-- many rows are a JSON document here, arrays in Postgres
insert or replace into queues (queue, paused_at, paused_by, reason)
select value ->> 'queue', value ->> 'at', value ->> 'by', value ->> 'reason' from json_each($1)
