-- many rows are arrays here, a JSON document in SQLite
delete from idempotency_keys where key = any($1)
