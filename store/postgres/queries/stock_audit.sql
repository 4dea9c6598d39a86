-- three sums joined; SQLite adds up one list instead
-- what the movements of each SKU add up to, beside its level
with moved as (
    select lines.sku,
           sum(lines.quantity) filter (where reservations.status in ('CONFIRMED', 'RESTOCKED')) as confirmed,
           sum(lines.quantity) filter (where reservations.status = 'RESTOCKED') as restocked,
           sum(lines.quantity) filter (where reservations.status = 'HELD') as held
    from reservations
    join order_lines lines using (order_id)
    group by lines.sku
), adjusted as (
    select sku, sum(delta) as delta from stock_adjustments group by sku
)
select sku,
       coalesce(stock.on_hand, 0) as on_hand,
       coalesce(stock.reserved, 0) as reserved,
       coalesce(adjusted.delta, 0)::bigint as adjusted,
       coalesce(moved.confirmed, 0)::bigint as confirmed,
       coalesce(moved.restocked, 0)::bigint as restocked,
       coalesce(moved.held, 0)::bigint as held
from stock
full join adjusted using (sku)
full join moved using (sku)
order by sku
