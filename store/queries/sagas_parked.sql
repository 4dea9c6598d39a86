-- what waits for settings is due some day: the cost is what lives, not what is stored
select id
from sagas
where wake_at is not null and progress ->> 'parked' = $1 and id > $2
order by id
limit $3
