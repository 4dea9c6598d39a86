-- a cart names the order that holds it: only that order may clear it or hand it back;
-- locked in order first (E4): a join meets them as they lie on the disk, and checkouts wait for them sorted.
-- Counted, not joined: what is counted is locked before the first row moves, and a join of the two lists may
-- compare each cart with each other one.
with held as (
    select id from carts where id = any($1) order by id for no key update
)
update carts
set status = new.status, order_id = case new.status when 'OPEN' then null else new.order_id end, updated_at = $5
from unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[]) as new (id, was, status, order_id)
where (select count(*) from held) > 0
  and carts.id = new.id
  and carts.status = new.was
  and carts.order_id is not distinct from case new.was when 'OPEN' then null else new.order_id end
