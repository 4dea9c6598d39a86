-- many rows are arrays here, a JSON document in SQLite
select key, body from request_keys where key = any($1)
