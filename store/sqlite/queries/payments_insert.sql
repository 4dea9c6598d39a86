insert into payments (order_id, provider, status, amount_minor, currency, captured_minor, refunded_minor,
                      settled_manually_minor, charge_key, details, updated_at)
select value ->> 'order', value ->> 'provider', value ->> 'status', value ->> '$.amount.amount_minor',
       value ->> '$.amount.currency', value ->> 'captured_minor', value ->> 'refunded_minor',
       value ->> 'settled_manually_minor', value ->> 'charge', value -> 'details', $2
from json_each($1)
