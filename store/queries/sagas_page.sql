-- a filter that is null does not filter; it comes second, so that Postgres knows its type by then
select id, definition, version, queue, state, fence, leased_until, wake_at, progress, context, poison,
       key_prefix, created_at, updated_at
from sagas
where (definition = $1 or $1 is null)
  and (state = $2 or $2 is null)
  and id < $3
order by id desc
limit $4
