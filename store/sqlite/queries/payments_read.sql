-- many rows are a JSON document here, arrays in Postgres
select order_id, provider, status, amount_minor, currency, captured_minor, refunded_minor, settled_manually_minor,
       charge_key, provider_ref, next_action
from payments
where order_id in (select value from json_each($1))
