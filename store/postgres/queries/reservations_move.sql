update reservations
set status = new.status
from unnest($1::bigint[], $2::text[], $3::text[]) as new (order_id, was, status)
where reservations.order_id = new.order_id and reservations.status = new.was
