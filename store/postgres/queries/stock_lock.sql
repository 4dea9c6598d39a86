select sku, on_hand, reserved from stock where sku = any($1) order by sku for no key update
