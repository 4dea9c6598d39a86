insert into reservations (order_id, status)
select value ->> 'order', value ->> 'to'
from json_each($1)
