insert into payments (order_id, provider, status, amount_minor, currency, captured_minor, refunded_minor,
                      settled_by_hand_minor, charge_key, provider_ref, next_action, updated_at)
select *, $12
from unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[],
            $9::text[], $10::text[], $11::text[])
