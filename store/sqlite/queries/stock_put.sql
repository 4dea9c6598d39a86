insert into stock (sku, on_hand, reserved)
select value ->> 'sku', value ->> 'on_hand', value ->> 'reserved'
from json_each(?1)
where true
on conflict (sku) do update set
    on_hand = excluded.on_hand,
    reserved = excluded.reserved
