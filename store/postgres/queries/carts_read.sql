select id, owner, status, order_id, items::text as "items!", updated_at from carts where id = $1
