-- many rows are arrays here, a JSON document in SQLite
update refunds
set status = new.status, amount_minor = new.amount_minor, settled_manually = new.settled_manually, updated_at = $6
from unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::boolean[])
     as new (saga_id, was, status, amount_minor, settled_manually)
where refunds.saga_id = new.saga_id and refunds.status = new.was
