update sagas set
    queue = new.value ->> 'queue',
    state = new.value ->> 'state',
    fence = new.value ->> 'fence',
    leased_until = new.value ->> 'leased_until',
    wake_at = new.value ->> 'wake_at',
    progress = new.value -> 'progress',
    poison = null,
    updated_at = new.value ->> 'updated_at'
from json_each($1) as new
where sagas.id = new.value ->> 'id'
  and sagas.fence = new.value ->> 'fence_before'
