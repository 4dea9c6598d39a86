insert into order_lines (order_id, sku, quantity, unit_price_minor)
select * from unnest($1::bigint[], $2::text[], $3::integer[], $4::bigint[])
