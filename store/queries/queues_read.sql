select queue, paused_at, paused_by, reason from queues
