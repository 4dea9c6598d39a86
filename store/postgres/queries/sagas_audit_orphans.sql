-- from 2^62 on, sagas serve no order
select id from sagas where id < 4611686018427387904 and not exists (select from orders where orders.id = sagas.id >> 20) order by id
