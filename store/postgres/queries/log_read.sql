select saga_id, fence, at, entries::text as "entries!" from saga_log where saga_id = $1 order by fence
