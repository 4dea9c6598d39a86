insert into sagas (id, definition, version, queue, state, fence, leased_until, wake_at, progress, context,
                   key_prefix, created_at, updated_at)
select value ->> 'id', value ->> 'definition', value ->> 'version', value ->> 'queue', value ->> 'state',
       value ->> 'fence', value ->> 'leased_until', value ->> 'wake_at', value -> 'progress',
       value -> 'context', value ->> 'key_prefix', value ->> 'created_at', value ->> 'updated_at'
from json_each($1)
