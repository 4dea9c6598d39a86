-- moves orders, their reservations and their payments from the state they were in, and saves notifications; a row in
-- another state does not move. The lock of each order's saga guards its rows, so their own order does not matter.
with moved_orders as (
    update orders
    set status = new.status, cancel_reason = new.reason, updated_at = $1
    from unnest($2::bigint[], $3::text[], $4::text[], $5::text[]) as new (id, was, status, reason)
    where orders.id = new.id and orders.status = new.was
    returning orders.id
), moved_reservations as (
    update reservations
    set status = new.status
    from unnest($6::bigint[], $7::text[], $8::text[]) as new (order_id, was, status)
    where reservations.order_id = new.order_id and reservations.status = new.was
    returning reservations.order_id
), moved_payments as (
    update payments
    set status = new.status, captured_minor = new.captured_minor, refunded_minor = new.refunded_minor,
        settled_manually_minor = new.settled_manually_minor, charge_key = new.charge_key,
        details = new.details::json, updated_at = $1
    from unnest($9::bigint[], $10::text[], $11::text[], $12::bigint[], $13::bigint[], $14::bigint[], $15::text[],
                $16::text[])
         as new (order_id, was, status, captured_minor, refunded_minor, settled_manually_minor, charge_key, details)
    where payments.order_id = new.order_id and payments.status = new.was
    returning payments.order_id
), notified as (
    insert into notifications (saga_id, notice, channel, status, created_at, updated_at)
    select *, $1, $1 from unnest($17::bigint[], $18::text[], $19::text[], $20::text[])
)
select (select count(*) from moved_orders) as orders, (select count(*) from moved_reservations) as reservations,
       (select count(*) from moved_payments) as payments
