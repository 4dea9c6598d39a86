select saga_id, notice, channel, status from notifications where saga_id between $1 and $2 order by saga_id
