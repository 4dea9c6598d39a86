-- many rows are a JSON document here, arrays in Postgres
delete from queues where queue in (select value from json_each($1))
