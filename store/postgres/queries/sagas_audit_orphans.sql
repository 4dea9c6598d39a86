select id from sagas where not exists (select from orders where orders.id = sagas.id >> 8) order by id
