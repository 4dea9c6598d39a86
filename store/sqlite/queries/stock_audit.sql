-- one list added up; Postgres joins three sums
-- a SKU without a row counts as level 0, and is a fact only if something says it should not be 0
select sku, sum(on_hand) as on_hand, sum(reserved) as reserved, sum(adjusted) as adjusted,
       sum(confirmed) as confirmed, sum(restocked) as restocked, sum(held) as held
from (
    select sku, on_hand, reserved, 0 as adjusted, 0 as confirmed, 0 as restocked, 0 as held, 1 as has_row
    from stock
    union all
    select sku, 0, 0, delta, 0, 0, 0, 0
    from stock_adjustments
    union all
    select sku, 0, 0, 0,
           iif(status in ('CONFIRMED', 'RESTOCKED'), quantity, 0),
           iif(status = 'RESTOCKED', quantity, 0),
           iif(status = 'HELD', quantity, 0),
           0
    from reservations join order_lines using (order_id)
)
group by sku
having max(has_row) = 1
    or sum(adjusted) <> 0
    or sum(confirmed) <> 0
    or sum(restocked) <> 0
    or sum(held) <> 0
order by sku
