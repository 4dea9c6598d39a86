-- what lives is due some day, what is dead is in an index of its own: neither depends on how many are settled
select queue,
       count(*) filter (where wake_at <= $1 and (leased_until is null or leased_until <= $1)) as due,
       min(case when leased_until > wake_at then leased_until else wake_at end)
           filter (where wake_at <= $1 and (leased_until is null or leased_until <= $1)) as oldest_due,
       count(*) filter (where leased_until > $1) as in_flight,
       count(*) filter (where state = 'DEAD') as dead
from (
    select queue, state, wake_at, leased_until from sagas where wake_at is not null
    union all
    select queue, state, wake_at, leased_until from sagas where state = 'DEAD' and wake_at is null
) as unsettled
group by queue
