-- no lock to take first, and no delta to apply to the row: the single writer reads what it adds to
insert into stock (sku, on_hand, reserved)
select value ->> 'sku',
       coalesce(stock.on_hand, 0) + (value ->> 'on_hand'),
       coalesce(stock.reserved, 0) + (value ->> 'reserved')
from json_each(?1)
left join stock on stock.sku = value ->> 'sku'
where true
on conflict (sku) do update set
    on_hand = excluded.on_hand,
    reserved = excluded.reserved
