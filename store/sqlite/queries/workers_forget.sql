delete from workers where beat_at < ?1
