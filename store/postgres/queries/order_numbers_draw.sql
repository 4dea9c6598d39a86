-- a sequence here, a row in SQLite
select nextval('order_number') from generate_series(1, $1::bigint)
