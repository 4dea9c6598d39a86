-- No skip locked: the single writer already serialises claims.
select id, definition, version, queue, state, fence, leased_until, wake_at, progress, context, poison,
       key_prefix, created_at, updated_at
from sagas
where id in (select value from json_each($1))
  and (leased_until is null or leased_until <= $2)
  and queue in (select value from json_each($3))
  and queue not in (select queue from queues)
  and (definition, version) in (select value ->> 'name', value ->> 'version' from json_each($4))
order by id
