delete from workers where heartbeat_at < $1
