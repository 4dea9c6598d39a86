insert into saga_log (saga_id, fence, at, entries)
select value ->> 'saga', value ->> 'fence', value ->> 'at', value -> 'entries'
from json_each($1)
