delete from carts where id in (select value from json_each(?1)) and status = 'OPEN'
