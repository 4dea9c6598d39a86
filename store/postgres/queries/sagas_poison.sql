-- many rows are arrays here, a JSON document in SQLite
-- writes only the saga's own row: what made the batch fail must not fail this as well
update sagas
set state = 'DEAD', poison = new.reason, fence = fence + 1, leased_until = null, wake_at = null, updated_at = $3
from unnest($1::bigint[], $2::text[]) as new (id, reason)
where sagas.id = new.id
