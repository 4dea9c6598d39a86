-- many rows are arrays here, a JSON document in SQLite
update signals set consumed_at = $3 where saga_id = any($1) and seq = any($2)
