-- as sagas_lock, for whoever knows the contexts: they never change, and are most of a row
select id, definition, version, queue, state, fence, leased_until, wake_at,
       progress::text as "progress!", null::text as context, poison, created_at, updated_at,
       statement_timestamp() as "seen_at!"
from sagas
where id = any($1)
order by id
for no key update
