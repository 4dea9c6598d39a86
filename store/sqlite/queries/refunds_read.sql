-- many rows are a JSON document here, arrays in Postgres
select saga_id, status, amount_minor, currency, charge_key, late, settled_manually
from json_each($1) as asked
join refunds on saga_id between asked.value << 20 and (asked.value << 20) + 1048575
