select key, charge, amount_minor, moved_minor, keyed_at
from refunds
where charge = ?1
order by key
