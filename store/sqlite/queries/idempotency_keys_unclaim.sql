-- many rows are a JSON document here, arrays in Postgres
delete from idempotency_keys where key in (select value from json_each($1))
