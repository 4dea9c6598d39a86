-- many rows are arrays here, a JSON document in SQLite
insert into request_keys (key, body, created_at)
select new.key, new.body, $3 from unnest($1::uuid[], $2::uuid[]) as new (key, body)
