-- One stretch of a walk in the order of ids, which is the order in which orders were accepted: the next $3 sagas after $2.
-- What is settled fills the table, and most of it is young; a search for what is old would read all of it.
-- From 2^62 on, sagas serve no order. An order's checkout (slot 0) goes first, its other sagas once it is gone: what came after a
-- checkout is what explains why the order no longer has the status that its checkout left.
-- A saga that is due, or has an unread signal, has work left, and stays.
select id,
       created_at < $1 as began_before,
       (state in ('COMPLETED', 'COMPENSATED')
        and wake_at is null
        and updated_at < $1
        and not exists (
            select 1 from sagas as checkout
            where sagas.id < 4611686018427387904
              and checkout.id = (sagas.id >> 20) << 20 and checkout.id <> sagas.id)
        and not exists (
            select 1 from signals
            where signals.saga_id = sagas.id and signals.consumed_at is null)) as may_go
from sagas
where id > $2
order by id
limit $3
