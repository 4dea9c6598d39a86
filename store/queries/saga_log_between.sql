select saga_id, fence, at, entries from saga_log where saga_id between $1 and $2 order by saga_id, fence
