delete from idempotency_keys
where key in (select key from idempotency_keys where created_at < $1 limit $2 for no key update skip locked)
