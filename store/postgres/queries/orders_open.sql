-- what an order holds from its first step on: its reservation and its payment
with reserved as (
    insert into reservations (order_id, status) select * from unnest($1::bigint[], $2::text[])
)
insert into payments (order_id, provider, status, amount_minor, currency, captured_minor, refunded_minor,
                      settled_manually_minor, charge_key, details, updated_at)
select order_id, provider, status, amount_minor, currency, captured_minor, refunded_minor, settled_manually_minor,
       charge_key, details::json, $13
from unnest($3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::bigint[], $9::bigint[], $10::bigint[],
            $11::text[], $12::text[])
     as new (order_id, provider, status, amount_minor, currency, captured_minor, refunded_minor, settled_manually_minor,
             charge_key, details)
