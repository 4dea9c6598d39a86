update reservations set status = new.value ->> 'to'
from json_each($1) as new
where reservations.order_id = new.value ->> 'order'
  and reservations.status = new.value ->> 'from'
