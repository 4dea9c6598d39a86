-- Apart from the other states, because `state = 'DEAD'` as text is what lets SQLite use the partial index.
select id, definition, version, queue, state, fence, leased_until, wake_at, progress, context, poison,
       key_prefix, created_at, updated_at
from sagas
where ($1 is null or definition = $1)
  and state = 'DEAD'
  and id < $2
order by id desc
limit $3
