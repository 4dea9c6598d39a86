-- SQLite always compares bytes; Postgres is given a collation
select name, host, pid, version, pools, definitions, providers, in_flight, started_at, heartbeat_at, left_at
from workers
order by name
