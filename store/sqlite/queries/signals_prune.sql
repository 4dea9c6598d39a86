delete from signals where seq in (select value from json_each(?1))
