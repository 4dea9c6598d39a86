-- many rows are a JSON document here, arrays in Postgres
update refunds set
    status = new.value ->> 'status',
    amount_minor = new.value ->> 'amount_minor',
    currency = new.value ->> 'currency',
    charge_key = new.value ->> 'charge',
    late = new.value ->> 'late',
    settled_manually = new.value ->> 'settled_manually',
    updated_at = $2
from json_each($1) as new
where refunds.saga_id = new.value ->> 'saga'
  and refunds.status = new.value ->> 'from'
