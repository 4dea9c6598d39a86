-- orders with their lines and idempotency keys in one statement; SQLite has one for each table
with inserted as (
    insert into orders (id, status, method, cart_id, customer, contact, shipping_address, notes, total_minor, currency,
                        accepted_at, updated_at)
    select id, status, method, cart_id, customer, contact::json, shipping_address::json, notes, total_minor, currency,
           $11, $11
    from unnest($1::bigint[], $2::text[], $3::text[], $4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::text[],
                $9::bigint[], $10::text[])
         as new (id, status, method, cart_id, customer, contact, shipping_address, notes, total_minor, currency)
), lines as (
    insert into order_lines (order_id, sku, quantity, unit_price_minor)
    select * from unnest($12::bigint[], $13::text[], $14::integer[], $15::bigint[])
), keys as (
    insert into idempotency_keys (key, body, order_id, created_at)
    select key, body, order_id, $11
    from unnest($16::uuid[], $17::uuid[], $18::bigint[]) as new (key, body, order_id)
    order by key
    on conflict (key) do nothing
    returning key
)
select count(*) from keys
