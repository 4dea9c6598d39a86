select sku, on_hand, reserved from stock where $1::text is null or sku = $1 order by sku limit $2
