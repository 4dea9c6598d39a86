-- many rows are arrays here, a JSON document in SQLite
update notifications
set status = new.status, updated_at = $4
from unnest($1::bigint[], $2::text[], $3::text[]) as new (saga_id, was, status)
where notifications.saga_id = new.saga_id and notifications.status = new.was
