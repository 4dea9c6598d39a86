insert into failures (payer, failures)
select
    value ->> 'payer',
    value ->> 'failures'
from json_each(?1)
-- without a where, sqlite takes "on conflict" for a join's "on"
where true
on conflict (payer) do update set failures = excluded.failures
