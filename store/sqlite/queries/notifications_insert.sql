insert into notifications (saga_id, notice, channel, recipient, status, created_at, updated_at)
select value ->> 'saga', value ->> 'notice', value ->> 'channel', value ->> 'recipient', value ->> 'status',
       $2, $2
from json_each($1)
