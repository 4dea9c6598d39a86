update orders
set status = new.status, cancel_reason = new.reason, updated_at = $5
from unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) as new (id, was, status, reason)
where orders.id = new.id and orders.status = new.was
