-- many rows are arrays here, a JSON document in SQLite
-- a repeated signal is the same signal; a new one makes its saga due, and never touches its fence
with new as (
    insert into signals (saga_id, dedupe, body, created_at)
    select saga_id, dedupe, body::json, $4
    from unnest($1::bigint[], $2::text[], $3::text[]) as new (saga_id, dedupe, body)
    on conflict (saga_id, dedupe) do nothing
    returning saga_id
)
update sagas
set wake_at = least(coalesce(wake_at, $4), $4)
where id in (select saga_id from new)
