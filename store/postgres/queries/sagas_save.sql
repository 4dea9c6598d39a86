-- all that a commit does to sagas: some move, some start, and the history of both is written; one statement, because
-- every commit of every order does it. The fence proves that no other worker moved a saga: a late writer finds no row
with moved as (
    update sagas
    set queue = new.queue, state = new.state, fence = new.fence, leased_until = new.leased_until,
        wake_at = new.wake_at, progress = new.progress::json, poison = null, updated_at = $9
    from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::timestamptz[],
                $7::timestamptz[], $8::text[])
         as new (id, was, fence, queue, state, leased_until, wake_at, progress)
    where sagas.id = new.id and sagas.fence = new.was
    returning sagas.id
), started as (
    insert into sagas (id, definition, version, queue, state, fence, leased_until, wake_at, progress, context,
                       key_prefix, created_at, updated_at)
    select id, definition, version, queue, state, fence, leased_until, wake_at, progress::json, context::json, key_prefix,
           $9, $9
    from unnest($10::bigint[], $11::text[], $12::integer[], $13::text[], $14::text[], $15::bigint[],
                $16::timestamptz[], $17::timestamptz[], $18::text[], $19::text[], $20::text[])
         as new (id, definition, version, queue, state, fence, leased_until, wake_at, progress, context, key_prefix)
), logged as (
    insert into saga_log (saga_id, fence, at, entries)
    select saga_id, fence, $9, entries::json
    from unnest($21::bigint[], $22::bigint[], $23::text[]) as new (saga_id, fence, entries)
)
select count(*) as moved from moved
