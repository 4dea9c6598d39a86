-- many rows are arrays here, a JSON document in SQLite
select distinct id >> 20 as order_id from sagas where state = 'DEAD' and id >> 20 = any($1)
