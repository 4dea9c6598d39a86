-- many rows are a JSON document here, arrays in Postgres
select id, status, cancel_reason, method, cart_id, customer, contact, shipping_address, notes, total_minor,
       currency, accepted_at, updated_at
from orders
where id in (select value from json_each($1))
order by id desc
