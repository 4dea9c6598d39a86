-- the fence proves that nobody else moved the saga: a late writer finds no row
update sagas
set queue = new.queue, state = new.state, fence = new.fence, leased_until = new.leased_until,
    wake_at = new.wake_at, progress = new.progress::json, poison = null, updated_at = $9
from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[],
            $8::text[]) as new (id, was, fence, queue, state, leased_until, wake_at, progress)
where sagas.id = new.id and sagas.fence = new.was
