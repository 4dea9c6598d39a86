insert into payments (order_id, provider, status, amount_minor, currency, captured_minor, refunded_minor,
                      settled_manually_minor, charge_key, provider_ref, next_action, updated_at)
select value ->> 'order', value ->> 'provider', value ->> 'status', value ->> 'amount_minor',
       value ->> 'currency', value ->> 'captured_minor', value ->> 'refunded_minor',
       value ->> 'settled_manually_minor', value ->> 'charge', value ->> 'provider_ref', value ->> 'next_action', $2
from json_each($1)
