-- in order (E4), before they move
select from stock where sku = any($1) order by sku for no key update
