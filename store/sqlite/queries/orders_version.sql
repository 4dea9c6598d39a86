-- many rows are a JSON document here, arrays in Postgres
-- 256 sagas an order: the low byte of a saga's id is its slot.
select orders.id, orders.updated_at, coalesce(sum(sagas.fence), 0) as fences, count(sagas.id) as sagas
from orders
left join sagas on sagas.id between orders.id << 8 and (orders.id << 8) + 255
where orders.id in (select value from json_each($1))
group by orders.id
