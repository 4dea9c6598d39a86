update workers set left_at = $2 where name = $1
