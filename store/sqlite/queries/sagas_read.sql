select id, definition, version, queue, state, fence, leased_until, wake_at, progress, context, poison,
       key_prefix, created_at, updated_at
from sagas
where id in (select value from json_each($1))
order by id
