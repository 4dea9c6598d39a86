-- rows that a stretch of orders does not show; reads whole tables
select 'cart_of_another_order' as what, 'cart ' || carts.id as subject
from carts
left join orders on orders.id = carts.order_id
where carts.order_id is not null and (orders.cart_id is null or orders.cart_id <> carts.id)
union all
select 'cart_without_customer', 'cart ' || carts.id
from carts
where carts.owner is not null and not exists (select 1 from customers where customers.id = carts.owner)
union all
select 'order_without_customer', 'order ' || orders.id
from orders
where orders.customer is not null and not exists (select 1 from customers where customers.id = orders.customer)
union all
select 'key_without_order', 'order ' || keys.order_id
from idempotency_keys as keys
where not exists (select 1 from orders where orders.id = keys.order_id)
union all
select 'second_key_of_order', 'order ' || keys.order_id
from idempotency_keys as keys
group by keys.order_id
having count(*) > 1
union all
select 'act_without_order', 'order ' || acts.order_id
from admin_actions as acts
where acts.order_id is not null and not exists (select 1 from orders where orders.id = acts.order_id)
order by what, subject
