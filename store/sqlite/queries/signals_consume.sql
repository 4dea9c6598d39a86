-- many rows are a JSON document here, arrays in Postgres
update signals set consumed_at = $2 where seq in (select value from json_each($1))
