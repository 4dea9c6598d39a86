-- whoever comes second finds a level that may have moved since, and leaves it alone
insert into stock (sku, on_hand, reserved)
select sku, 0, 0 from unnest($1::text[]) as new (sku)
on conflict (sku) do nothing
