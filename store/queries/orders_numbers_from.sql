select id from orders where id >= $1 order by id limit $2
