delete from idempotency_keys where key in (select value from json_each(?1))
