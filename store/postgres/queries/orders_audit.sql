-- one page of orders with everything that must agree with them; apart from SQLite, which has no arrays
select orders.id, orders.status, orders.cancel_reason, orders.method, orders.currency, orders.total_minor,
       (select coalesce(sum(quantity * unit_price_minor), 0)::bigint from order_lines where order_id = orders.id)
           as lines_minor,
       payments.provider as payment_provider, payments.status as payment_status, payments.captured_minor,
       payments.refunded_minor, payments.settled_manually_minor,
       payments.charge_key,
       reservations.status as reservation_status,
       carts.status as cart_status, carts.order_id as cart_order,
       (select coalesce(jsonb_agg(jsonb_build_object('slot', saga_id & 1048575, 'status', status,
                                                     'amount_minor', amount_minor, 'late', late,
                                                     'settled_manually', settled_manually, 'charge', charge_key)
                                  order by saga_id), '[]')
        from refunds where saga_id between orders.id << 20 and orders.id << 20 | 1048575) as refunds,
       array(select id & 1048575 from sagas where id between orders.id << 20 and orders.id << 20 | 1048575 order by id)
           as saga_slots,
       array(select state from sagas where id between orders.id << 20 and orders.id << 20 | 1048575 order by id)
           as saga_states,
       array(select saga_id & 1048575 from notifications
             where saga_id between orders.id << 20 and orders.id << 20 | 1048575 order by saga_id) as notifications
from orders
left join payments on payments.order_id = orders.id
left join reservations on reservations.order_id = orders.id
left join carts on carts.id = orders.cart_id
where orders.id > $1
order by orders.id
limit $2
