-- the lines are another statement; Postgres inserts both at once
insert into orders (id, status, cancel_reason, method, cart_id, customer, contact, shipping_address, notes,
                    total_minor, currency, accepted_at, updated_at)
select value ->> 'id', value ->> 'status', value ->> 'cancel_reason', value ->> 'method', value ->> 'cart',
       value ->> 'customer', value -> 'contact', value -> 'shipping_address', value ->> 'notes',
       value ->> 'total_minor', value ->> 'currency', value ->> 'accepted_at', value ->> 'updated_at'
from json_each($1)
