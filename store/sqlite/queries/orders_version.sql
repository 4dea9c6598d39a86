-- many rows are a JSON document here, arrays in Postgres
-- the low 20 bits of a saga's id are its slot.
select orders.id, orders.updated_at, coalesce(sum(sagas.fence), 0) as fences, count(sagas.id) as sagas
from orders
left join sagas on sagas.id between orders.id << 20 and (orders.id << 20) + 1048575
where orders.id in (select value from json_each($1))
group by orders.id
