-- a new database is at home where it is first seen
update shop set home = $1 where home is null
