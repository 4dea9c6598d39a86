-- many rows are a JSON document here, arrays in Postgres
insert into products (sku, name, price_minor, currency, active, updated_at)
select value ->> 'sku', value ->> 'name', value ->> 'price_minor', value ->> 'currency', value ->> 'active', $2
from json_each($1)
where true
on conflict (sku) do update set
    name = excluded.name,
    price_minor = excluded.price_minor,
    currency = excluded.currency,
    active = excluded.active,
    updated_at = excluded.updated_at,
    version = products.version + 1
