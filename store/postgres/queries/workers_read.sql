-- bytewise, whatever the locale; SQLite always compares bytes
select name, host, pid, version, pools, definitions, providers, in_flight, started_at, heartbeat_at, left_at
from workers
order by name collate "C"
