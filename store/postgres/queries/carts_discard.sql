-- many rows are arrays here, a JSON document in SQLite
delete from carts where id = any($1) and status = 'OPEN'
