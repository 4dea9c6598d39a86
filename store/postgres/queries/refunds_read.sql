-- many rows are arrays here, a JSON document in SQLite
-- not locked: a commit that moves a refund moves its payment as well, and that row is locked by now
select saga_id, status, amount_minor, currency, charge_key, late, settled_manually
from refunds
join unnest($1::bigint[]) as asked (order_id) on saga_id between asked.order_id << 20 and asked.order_id << 20 | 1048575
