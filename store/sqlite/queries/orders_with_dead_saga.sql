-- many rows are a JSON document here, arrays in Postgres
-- 256 sagas an order: the low byte of a saga's id is its slot.
select value
from json_each($1)
where exists (
    select 1 from sagas
    where sagas.state = 'DEAD' and sagas.id between value << 8 and (value << 8) + 255)
