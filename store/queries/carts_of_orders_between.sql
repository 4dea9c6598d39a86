select carts.id, carts.owner, carts.status, carts.order_id, carts.items, carts.updated_at
from orders
join carts on carts.id = orders.cart_id
where orders.id between $1 and $2
