update sagas set wake_at = $2
where id in (select value from json_each($1))
  and (wake_at is null or wake_at > $2)
