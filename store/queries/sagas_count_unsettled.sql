-- what lives is due some day, what is dead is in an index of its own: neither depends on how many are settled
select definition, state, count(*) as sagas
from (
    select definition, state from sagas where wake_at is not null
    union all
    select definition, state from sagas where state = 'DEAD' and wake_at is null
) as unsettled
group by definition, state
order by definition, state
