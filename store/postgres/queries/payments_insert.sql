insert into payments (order_id, provider, status, amount_minor, currency, captured_minor, refunded_minor, charge_key,
                      provider_ref, next_action, updated_at)
select *, $11
from unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[], $8::text[],
            $9::text[], $10::text[])
