-- adds to what the level is by now, not to what the batch read; SQLite's single writer reads it in the same turn
update stock
set on_hand = stock.on_hand + moves.on_hand, reserved = stock.reserved + moves.reserved,
    version = stock.version + (moves.on_hand <> 0)::int
from unnest($1::text[], $2::bigint[], $3::bigint[]) as moves (sku, on_hand, reserved)
where stock.sku = moves.sku
returning stock.sku
