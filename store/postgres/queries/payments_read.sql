-- many rows are arrays here, a JSON document in SQLite
select order_id, provider, status, amount_minor, currency, captured_minor, refunded_minor,
       settled_manually_minor, charge_key, provider_ref, next_action
from payments
where order_id = any($1)
