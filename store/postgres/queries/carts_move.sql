-- many rows are arrays here, a JSON document in SQLite
-- a cart names the order that holds it: only that order may clear it or hand it back
update carts
set status = new.status, order_id = case new.status when 'OPEN' then null else new.order_id end, updated_at = $5
from unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[]) as new (id, was, status, order_id)
where carts.id = new.id
  and carts.status = new.was
  and carts.order_id is not distinct from case new.was when 'OPEN' then null else new.order_id end
