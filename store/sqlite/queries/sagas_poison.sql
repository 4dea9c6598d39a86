-- many rows are a JSON document here, arrays in Postgres
update sagas set
    state = 'DEAD',
    poison = new.value ->> 'reason',
    wake_at = null,
    leased_until = null,
    fence = sagas.fence + 1,
    updated_at = $2
from json_each($1) as new
where sagas.id = new.value ->> 'id'
