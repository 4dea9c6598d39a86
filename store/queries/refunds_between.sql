select saga_id, status, amount_minor, currency, charge_key, late, settled_manually
from refunds
where saga_id between $1 and $2
order by saga_id
