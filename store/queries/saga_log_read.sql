select saga_id, fence, at, entries from saga_log where saga_id = $1 order by fence
