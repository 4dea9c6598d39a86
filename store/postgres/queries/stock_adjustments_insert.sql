-- many rows are arrays here, a JSON document in SQLite
insert into stock_adjustments (sku, delta, reason, actor, at)
select * from unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::timestamptz[])
