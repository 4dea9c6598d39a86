update orders set
    status = new.value ->> 'to',
    cancel_reason = new.value ->> 'reason',
    updated_at = $2
from json_each($1) as new
where orders.id = new.value ->> 'id'
  and orders.status = new.value ->> 'from'
