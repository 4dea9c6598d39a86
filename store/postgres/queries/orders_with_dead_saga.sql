-- many rows are arrays here, a JSON document in SQLite. The low 20 bits of a saga's id are its slot: a range for each
-- order, so that the cost does not grow with how many sagas are dead
select number
from unnest($1::bigint[]) as number
where exists (
    select from sagas
    where sagas.state = 'DEAD' and sagas.id between number << 20 and number << 20 | 1048575)
