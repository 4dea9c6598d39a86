-- Settled sagas only, with their history; a signal's dedupe id lives on for its thirty days.
-- An order's checkout (slot 0) goes first, its other sagas once it is gone: what came after a checkout
-- is what explains why the order no longer stands where the checkout left it.
-- A saga that is due, or has an unread signal, has not heard everything yet, and stays.
with old as (
    select id from sagas
    where state in ('COMPLETED', 'COMPENSATED')
      and wake_at is null
      and updated_at < $1
      and not exists (select from sagas checkout
                      where checkout.id = sagas.id >> 8 << 8 and checkout.id <> sagas.id)
      and not exists (select from signals where signals.saga_id = sagas.id and signals.consumed_at is null)
    limit $2
    for no key update skip locked
), gone as (
    delete from sagas using old where sagas.id = old.id returning sagas.id
), history as (
    delete from saga_log using gone where saga_log.saga_id = gone.id
)
select count(*) as "pruned!" from gone
