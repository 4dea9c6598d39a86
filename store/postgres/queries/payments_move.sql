update payments
set status = new.status, captured_minor = new.captured_minor, refunded_minor = new.refunded_minor,
    settled_by_hand_minor = new.settled_by_hand_minor, charge_key = new.charge_key,
    provider_ref = coalesce(new.provider_ref, payments.provider_ref), next_action = new.next_action, updated_at = $10
from unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[], $8::text[],
            $9::text[])
     as new (order_id, was, status, captured_minor, refunded_minor, settled_by_hand_minor, charge_key, provider_ref,
             next_action)
where payments.order_id = new.order_id and payments.status = new.was
