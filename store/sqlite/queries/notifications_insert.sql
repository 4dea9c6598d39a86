insert into notifications (saga_id, notice, channel, status, created_at, updated_at)
select value ->> 'saga', value ->> 'notice', value ->> 'channel', value ->> 'status',
       $2, $2
from json_each($1)
