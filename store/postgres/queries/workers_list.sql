select name, host, pid, version, pools::text as "pools!", definitions::text as "definitions!", in_flight, started_at,
       heartbeat_at, left_at
from workers
order by name collate "C"
