-- in the order of E4, before they move. `stock_lock` also reads them
select from stock where sku = any($1) order by sku for no key update
