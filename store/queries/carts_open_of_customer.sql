select id from carts where owner = $1 and status = 'OPEN' order by id desc limit 1
