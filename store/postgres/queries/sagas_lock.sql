-- waits for whoever holds a row; sorted, so two transactions never wait in a circle
select id, definition, version, queue, state, fence, leased_until, wake_at,
       progress::text as "progress!", context::text, poison, created_at, updated_at,
       statement_timestamp() as "seen_at!"
from sagas
where id = any($1)
order by id
for no key update
