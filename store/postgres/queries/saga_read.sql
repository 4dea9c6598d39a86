select id, definition, version, queue, state, fence, leased_until, wake_at,
       progress::text as "progress!", context::text, poison, key_prefix, created_at, updated_at,
       statement_timestamp() as "seen_at!"
from sagas
where id between $1 and $2
order by id
