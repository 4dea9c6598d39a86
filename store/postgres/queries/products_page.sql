-- bytewise, whatever the locale, as SQLite always compares; a filter that is null does not filter
select sku, name, price_minor, currency, active
from products
where sku collate "C" > $1
  and ($2::boolean is null or active = $2)
order by sku collate "C"
limit $3
