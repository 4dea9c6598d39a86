-- the rows are locked, so what is written is what was decided on
insert into stock (sku, on_hand, reserved)
select * from unnest($1::text[], $2::bigint[], $3::bigint[])
on conflict (sku) do update set on_hand = excluded.on_hand, reserved = excluded.reserved
