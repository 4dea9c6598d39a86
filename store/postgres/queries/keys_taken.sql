select key, body, order_id from idempotency_keys where key = any($1)
