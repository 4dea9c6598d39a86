-- many rows are arrays here, a JSON document in SQLite
select distinct id >> 8 as order_id from sagas where state = 'DEAD' and id >> 8 = any($1)
