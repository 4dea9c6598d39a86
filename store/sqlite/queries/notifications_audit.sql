select saga_id from notifications where saga_id between $1 and $2 order by saga_id
