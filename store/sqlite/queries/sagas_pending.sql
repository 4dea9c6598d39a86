-- many rows are a JSON document here, arrays in Postgres
-- the sagas that carry out what was asked of these orders, and have not ended; the low 20 bits of an id are its slot.
-- A cross join is made in the order in which it is written: a range of sagas for each order
select sagas.id, definition, version, queue, state, fence, leased_until, wake_at, progress, context, poison,
       key_prefix, created_at, updated_at
from json_each($1) as asked cross join sagas
     on sagas.id between asked.value << 20 and (asked.value << 20) + 1048575
where definition in (select value from json_each($2)) and state not in ('COMPLETED', 'COMPENSATED')
order by sagas.id
