select key, state, amount_minor, currency, captured_minor, refunded_minor, refunds_refused, reason, keyed_at
from charges
where key in (select value from json_each(?1))
