-- many rows are arrays here, a JSON document in SQLite
-- apart from the page: the few that are named are found by their keys, not by reading the catalogue; bytewise
select sku, name, price_minor, currency, active
from products
where sku = any($1)
  and sku collate "C" > $2
  and ($3::boolean is null or active = $3)
order by sku collate "C"
limit $4
