select id, definition, version, queue, state, fence, leased_until, wake_at, progress, context, poison,
       key_prefix, created_at, updated_at
from sagas
where id between $1 and $2
order by id
