-- many rows are arrays here, a JSON document in SQLite
delete from queues where queue = any($1)
