select id from shop
