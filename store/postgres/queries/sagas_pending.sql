-- many rows are arrays here, a JSON document in SQLite
-- the sagas that carry out what was asked of these orders, and have not ended; the low 20 bits of an id are its slot.
-- `offset 0` keeps a range of sagas for each order, however many sagas there are
select sagas.*
from unnest($1::bigint[]) as number
     cross join lateral (
         select id, definition, version, queue, state, fence, leased_until, wake_at, progress, context, poison,
                key_prefix, created_at, updated_at
         from sagas
         where id between number << 20 and number << 20 | 1048575
         offset 0
     ) as sagas
where definition = any($2) and state not in ('COMPLETED', 'COMPENSATED')
order by sagas.id
