delete from saga_log where saga_id in (select value from json_each($1))
