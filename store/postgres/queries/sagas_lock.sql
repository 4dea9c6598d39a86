-- waits for a transaction that holds a row; sorted, so that two never wait in a circle (E4). The context is most of a
-- row and never changes: it is left out for a caller who has it
select id, definition, version, queue, state, fence, leased_until, wake_at, progress,
       case when $2 then context end as context, poison, key_prefix, created_at, updated_at,
       statement_timestamp() as seen_at
from sagas
where id = any($1)
order by id
for no key update
