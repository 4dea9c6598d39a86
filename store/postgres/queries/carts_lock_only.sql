-- in the order of E4, before they move: an update would meet them in the order of the disk. `carts_lock` also reads them
select from carts where id = any($1) order by id for no key update
