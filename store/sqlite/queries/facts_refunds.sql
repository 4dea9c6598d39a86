select saga_id, status, amount_minor, currency, charge_key, late, settled_by_hand
from refunds
where saga_id between ?1 and ?2
order by saga_id
