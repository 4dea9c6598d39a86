select saga_id, max(fence) as fence from saga_log where saga_id between $1 and $2 group by saga_id
