select sku, on_hand, reserved
from stock
where sku in (select value from json_each(?1))
order by sku
