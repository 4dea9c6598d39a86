-- An order's checkout (slot 0) goes first, its other sagas once it is gone: what came after a
-- checkout is what explains why the order no longer stands where the checkout left it.
-- A saga that is due, or has an unread signal, has not heard everything yet, and stays.
select id
from sagas
where state in ('COMPLETED', 'COMPENSATED')
  and wake_at is null
  and updated_at < ?1
  and not exists (
      select 1 from sagas as checkout
      where checkout.id = (sagas.id >> 8) << 8 and checkout.id <> sagas.id)
  and not exists (
      select 1 from signals
      where signals.saga_id = sagas.id and signals.consumed_at is null)
order by id
limit ?2
