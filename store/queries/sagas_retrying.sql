-- what was tried in vain, or is not let try, and goes on by itself: the rule of `Saga::is_retrying`. Whatever lives is due
-- some day: the cost is what lives, not what is stored
with retrying as (
    select *,
           coalesce(cast(progress ->> 'failures' as integer), 0)
               + coalesce(cast(progress ->> 'unanswered' as integer), 0) as tries
    from sagas
    where wake_at is not null
      and state in ('RUNNING', 'WAITING', 'COMPENSATING')
      and (progress ->> 'failures' is not null
           or progress ->> 'unanswered' is not null
           or progress ->> 'parked' is not null
           or (progress ->> 'not_before' is not null
               and progress ->> 'accepted' is null
               and progress -> 'data' -> 'charge' ->> 'status' is distinct from 'PROCESSING'))
)
