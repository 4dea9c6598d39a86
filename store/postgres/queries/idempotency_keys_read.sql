-- many rows are arrays here, a JSON document in SQLite
select key, body, order_id from idempotency_keys where key = any($1)
