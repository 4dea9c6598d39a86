-- many rows are a JSON document here, arrays in Postgres
insert into carts (id, owner, status, order_id, items, updated_at)
select value ->> 'id', value ->> 'owner', value ->> 'status', value ->> 'order', value -> 'items',
       value ->> 'updated_at'
from json_each($1)
where true
on conflict (id) do update set
    owner = excluded.owner,
    status = excluded.status,
    order_id = excluded.order_id,
    items = excluded.items,
    updated_at = excluded.updated_at
