-- many rows are arrays here, a JSON document in SQLite
-- two ranges of primary keys an order: the order itself, and its sagas side by side
select orders.id, orders.updated_at, life.fences, life.sagas
from unnest($1::bigint[]) as asked (id)
join orders on orders.id = asked.id
cross join lateral (
    select coalesce(sum(sagas.fence), 0)::bigint as fences, count(*) as sagas
    from sagas
    where sagas.id between asked.id << 20 and asked.id << 20 | 1048575
) life
