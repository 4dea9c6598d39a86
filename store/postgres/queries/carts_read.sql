-- a page of one: SQLite reads many carts by the same statement
select id, owner, status, order_id, items, updated_at from carts where id = $1
