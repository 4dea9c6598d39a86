-- many rows are a JSON document here, arrays in Postgres
delete from carts where id in (select value from json_each($1)) and status = 'OPEN'
