update refunds
set status = new.status, amount_minor = new.amount_minor, updated_at = $5
from unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[]) as new (saga_id, was, status, amount_minor)
where refunds.saga_id = new.saga_id and refunds.status = new.was
