-- many rows are a JSON document here, arrays in Postgres
-- a level that is there already may have moved since, and is left alone
insert into stock (sku, on_hand, reserved)
select value, 0, 0
from json_each($1)
where true
on conflict (sku) do nothing
