-- the condition of the partial index one_unsettled_order_per_cart, so that only unsettled orders are read
select count(*) as pending
from (select 1 from orders where status in ('PENDING_PAYMENT', 'PENDING_CONFIRMATION') limit $1) as unsettled
