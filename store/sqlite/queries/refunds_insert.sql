-- many rows are a JSON document here, arrays in Postgres
insert into refunds (saga_id, status, amount_minor, currency, charge_key, late, settled_manually, updated_at)
select value ->> 'saga', value ->> 'status', value ->> 'amount_minor', value ->> 'currency',
       value ->> 'charge', value ->> 'late', value ->> 'settled_manually', $2
from json_each($1)
