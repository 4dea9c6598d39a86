select queue, definition, version, phase, stage, count(*) as sagas, max(tries) as tries_max,
       max(case when place = 1 then id end) as worst, min(wake_at) as next_try
from (
    select id, queue, definition, version, tries, wake_at,
           coalesce(progress ->> 'p', 'forward') as phase, cast(progress ->> 's' as integer) as stage,
           row_number() over (
               partition by queue, definition, version, progress ->> 'p', progress ->> 's' order by tries desc, id
           ) as place
    from retrying
) as placed
group by queue, definition, version, phase, stage
order by queue, definition, version, phase, stage
