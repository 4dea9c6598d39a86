-- in order (E4), before they move: an update meets them as they lie on the disk, and checkouts wait for them sorted
select from carts where id = any($1) order by id for no key update
