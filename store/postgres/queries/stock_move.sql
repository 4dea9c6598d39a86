-- what is added to a level is added to what it is by now, not to what somebody read; locked in order first (E4),
-- as in carts_move.
-- A level that is not there moves from zero. No upsert: its check would see the move alone, and refuse a negative one.
with moves as (
    select * from unnest($1::text[], $2::bigint[], $3::bigint[]) as new (sku, on_hand, reserved)
), held as (
    select sku from stock where sku = any($1) order by sku for no key update
), moved as (
    update stock
    set on_hand = stock.on_hand + moves.on_hand, reserved = stock.reserved + moves.reserved
    from moves
    where (select count(*) from held) > 0 and stock.sku = moves.sku
    returning stock.sku
)
insert into stock (sku, on_hand, reserved)
select sku, on_hand, reserved from moves where sku not in (select sku from moved)
