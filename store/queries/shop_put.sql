update shop
set id = $1, epoch = $2, home = $3, forked_from = $4, first_order = $5, missing_order = $6
where epoch = $7
