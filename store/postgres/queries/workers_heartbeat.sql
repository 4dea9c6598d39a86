-- also deletes the workers that have been silent for a day; SQLite does that in a statement of its own
with silent as (
    delete from workers where heartbeat_at < $9 and name <> $1
)
insert into workers (name, host, pid, version, pools, definitions, in_flight, started_at, heartbeat_at, providers)
values ($1, $2, $3, $4, $5::text::jsonb, $6::text::jsonb, $7, $8, $10, $11::text::jsonb)
on conflict (name) do update
set host = excluded.host, pid = excluded.pid, version = excluded.version, pools = excluded.pools,
    definitions = excluded.definitions, in_flight = excluded.in_flight, started_at = excluded.started_at,
    heartbeat_at = excluded.heartbeat_at, providers = excluded.providers, left_at = null
