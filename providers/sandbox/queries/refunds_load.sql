select key, charge, amount_minor, moved_minor, keyed_at
from refunds
where key in (select value from json_each(?1))
