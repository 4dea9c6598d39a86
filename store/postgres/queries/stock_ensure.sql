-- many rows are arrays here, a JSON document in SQLite
-- a level that is there already may have moved since, and is left alone
insert into stock (sku, on_hand, reserved)
select sku, 0, 0 from unnest($1::text[]) as new (sku)
on conflict (sku) do nothing
