delete from carts where id = any($1) and status = 'OPEN'
