insert into saga_log (saga_id, fence, at, entries)
select saga_id, fence, $4, entries::json
from unnest($1::bigint[], $2::bigint[], $3::text[]) as new (saga_id, fence, entries)
