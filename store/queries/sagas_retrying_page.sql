select id, definition, version, queue, state, fence, leased_until, wake_at, progress, context, poison,
       key_prefix, created_at, updated_at
from retrying
where (definition = $1 or $1 is null) and id < $2
order by id desc
limit $3
