-- many rows are a JSON document here, arrays in Postgres
-- Apart from the page: the few that are named are found by their keys. `+sku` keeps it that way.
select sku, name, price_minor, currency, active
from products
where sku in (select value from json_each($1))
  and +sku > $2
  and ($3 is null or active = $3)
order by sku
limit $4
