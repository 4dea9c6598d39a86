select sku, on_hand, reserved from stock where sku = any($1)
