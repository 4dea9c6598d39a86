select sku, on_hand, reserved from stock order by sku limit $1
