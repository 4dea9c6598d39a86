delete from queues where queue = any($1)
