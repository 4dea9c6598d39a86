-- many rows are a JSON document here, arrays in Postgres
-- the low 20 bits of a saga's id are its slot.
select value
from json_each($1)
where exists (
    select 1 from sagas
    where sagas.state = 'DEAD' and sagas.id between value << 20 and (value << 20) + 1048575)
