-- many ids as a JSON document: it also loads the carts of a batch, which Postgres locks
select id, owner, status, order_id, items, updated_at
from carts
where id in (select value from json_each($1))
