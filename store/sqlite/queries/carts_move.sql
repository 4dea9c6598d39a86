-- many rows are a JSON document here, arrays in Postgres
-- An open cart names no order; any other names the one that takes, holds or held it.
update carts set
    status = new.value ->> 'to',
    order_id = iif(new.value ->> 'to' = 'OPEN', null, new.value ->> 'order'),
    updated_at = $2
from json_each($1) as new
where carts.id = new.value ->> 'id'
  and carts.status = new.value ->> 'from'
  and carts.order_id is iif(new.value ->> 'from' = 'OPEN', null, new.value ->> 'order')
