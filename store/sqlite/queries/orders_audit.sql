-- without the arrays that Postgres has: sagas, refunds and notifications are statements of their own
select orders.id, orders.status, orders.cancel_reason, orders.method, orders.currency, orders.total_minor,
       coalesce((select sum(quantity * unit_price_minor) from order_lines where order_id = orders.id), 0)
           as lines_minor,
       payments.provider as payment_provider, payments.status as payment_status, payments.captured_minor, payments.refunded_minor,
       payments.settled_manually_minor, payments.charge_key,
       reservations.status as reservation_status,
       carts.status as cart_status, carts.order_id as cart_order
from orders
left join payments on payments.order_id = orders.id
left join reservations on reservations.order_id = orders.id
left join carts on carts.id = orders.cart_id
where orders.id > $1
order by orders.id
limit $2
