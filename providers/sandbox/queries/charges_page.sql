select key, state, amount_minor, currency, captured_minor, refunded_minor, refunds_refused, reason, keyed_at
from charges
where key > ?1
order by key
limit ?2
