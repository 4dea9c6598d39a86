select id, definition, version, queue, state, fence, leased_until, wake_at, progress, context, poison,
       key_prefix, created_at, updated_at
from sagas
where (?1 is null or definition = ?1)
  and (?2 is null or state = ?2)
  and id < ?3
order by id desc
limit ?4
