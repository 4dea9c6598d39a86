insert into charges (
    key, state, amount_minor, currency, captured_minor, refunded_minor, refunds_refused, reason, keyed_at
)
select
    value ->> 'key',
    value ->> 'state',
    value ->> 'amount_minor',
    value ->> 'currency',
    value ->> 'captured_minor',
    value ->> 'refunded_minor',
    value ->> 'refunds_refused',
    value ->> 'reason',
    value ->> 'keyed_at'
from json_each(?1)
-- without a where, sqlite takes "on conflict" for a join's "on"
where true
on conflict (key) do update set
    state = excluded.state,
    amount_minor = excluded.amount_minor,
    currency = excluded.currency,
    captured_minor = excluded.captured_minor,
    refunded_minor = excluded.refunded_minor,
    refunds_refused = excluded.refunds_refused,
    reason = excluded.reason,
    keyed_at = excluded.keyed_at
