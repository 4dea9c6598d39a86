select sku, on_hand, reserved from stock
