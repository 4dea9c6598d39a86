-- the workers that have been silent for a day are deleted by `workers_prune`; Postgres does both at once
insert or replace into workers (name, host, pid, version, pools, definitions, in_flight, started_at, heartbeat_at, left_at,
                                providers)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, null, $10)
