select id, owner, status, order_id, items, updated_at
from carts
where id = any($1)
order by id
for no key update
