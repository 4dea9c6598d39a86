-- many rows are arrays here, a JSON document in SQLite
insert into carts (id, owner, status, order_id, items, updated_at)
select id, owner, status, order_id, items::json, $6
from unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::text[]) as new (id, owner, status, order_id, items)
on conflict (id) do update
set owner = excluded.owner, status = excluded.status, order_id = excluded.order_id, items = excluded.items,
    updated_at = excluded.updated_at
