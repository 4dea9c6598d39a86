-- many rows are arrays here, a JSON document in SQLite
insert into admin_actions (at, actor, action, subject, detail, order_id)
select * from unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[])
