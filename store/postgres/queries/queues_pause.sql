-- many rows are arrays here, a JSON document in SQLite
insert into queues (queue, paused_at, paused_by, reason)
select * from unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[])
on conflict (queue) do update
set paused_at = excluded.paused_at, paused_by = excluded.paused_by, reason = excluded.reason
