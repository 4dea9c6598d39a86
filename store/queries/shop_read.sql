select id, epoch, home, forked_from, first_order, missing_order from shop
