-- many rows are a JSON document here, arrays in Postgres
update notifications set
    notice = new.value ->> 'notice',
    channel = new.value ->> 'channel',
    status = new.value ->> 'status',
    updated_at = $2
from json_each($1) as new
where notifications.saga_id = new.value ->> 'saga'
  and notifications.status = new.value ->> 'from'
