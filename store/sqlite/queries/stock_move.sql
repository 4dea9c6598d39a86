-- no lock to take first: the single writer reads the level that it adds to; Postgres adds to whatever it is by then
insert into stock (sku, on_hand, reserved, version)
select value ->> 'sku',
       coalesce(stock.on_hand, 0) + (value ->> 'on_hand'),
       coalesce(stock.reserved, 0) + (value ->> 'reserved'),
       coalesce(stock.version, 0) + ((value ->> 'on_hand') <> 0)
from json_each($1)
left join stock on stock.sku = value ->> 'sku'
where true
on conflict (sku) do update set
    on_hand = excluded.on_hand,
    reserved = excluded.reserved,
    version = excluded.version
