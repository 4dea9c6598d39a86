-- SQLite always compares bytes; Postgres is given a collation
select sku, name, price_minor, currency, active
from products
where sku > $1
  and ($2 is null or active = $2)
order by sku
limit $3
