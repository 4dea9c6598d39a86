update payments set
    provider = new.value ->> 'provider',
    status = new.value ->> 'status',
    amount_minor = new.value ->> '$.amount.amount_minor',
    currency = new.value ->> '$.amount.currency',
    captured_minor = new.value ->> 'captured_minor',
    refunded_minor = new.value ->> 'refunded_minor',
    settled_manually_minor = new.value ->> 'settled_manually_minor',
    charge_key = new.value ->> 'charge',
    details = new.value -> 'details',
    updated_at = $2
from json_each($1) as new
where payments.order_id = new.value ->> 'order'
  and payments.status = new.value ->> 'from'
