insert into refunds (key, charge, amount_minor, moved_minor, keyed_at)
select
    value ->> 'key',
    value ->> 'charge',
    value ->> 'amount_minor',
    value ->> 'moved_minor',
    value ->> 'keyed_at'
from json_each(?1)
-- without a where, sqlite takes "on conflict" for a join's "on"
where true
on conflict (key) do update set
    charge = excluded.charge,
    amount_minor = excluded.amount_minor,
    moved_minor = excluded.moved_minor,
    keyed_at = excluded.keyed_at
