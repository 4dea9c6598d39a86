-- many rows are arrays here, a JSON document in SQLite
-- the sagas that carry out what was asked of these orders, and have not ended; the low 20 bits of an id are its slot
select sagas.id, definition, version, queue, state, fence, leased_until, wake_at, progress, context, poison,
       key_prefix, created_at, updated_at
from unnest($1::bigint[]) as number join sagas on sagas.id between number << 20 and number << 20 | 1048575
where definition = any($2) and state not in ('COMPLETED', 'COMPENSATED')
order by sagas.id
