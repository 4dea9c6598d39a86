insert into reservations (order_id, status) select * from unnest($1::bigint[], $2::text[])
