-- waits for whoever holds a row; sorted, so two transactions never wait in a circle. The context is most of a row, and
-- never changes: whoever has it does without
select id, definition, version, queue, state, fence, leased_until, wake_at,
       progress::text as "progress!", case when $2 then context::text end as context, poison, key_prefix,
       created_at, updated_at,
       statement_timestamp() as "seen_at!"
from sagas
where id = any($1)
order by id
for no key update
