-- many rows are arrays here, a JSON document in SQLite
select sku, name, price_minor, currency, active from products where sku = any($1)
