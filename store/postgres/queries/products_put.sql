-- many rows are arrays here, a JSON document in SQLite
insert into products (sku, name, price_minor, currency, active, updated_at)
select *, $6 from unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::boolean[])
on conflict (sku) do update
set name = excluded.name, price_minor = excluded.price_minor, currency = excluded.currency,
    active = excluded.active, updated_at = excluded.updated_at, version = products.version + 1
