-- searches and deletes in one statement; SQLite searches on a reader, outside of the writer's turn
-- One stretch of a walk in the order of ids, which is the order in which orders were accepted: of the next $3 sagas after
-- $4, those that may go, with their history. What is settled fills the table, and most of it is young; a search for what
-- is old would read all of it.
-- From 2^62 on, sagas serve no order. An order's checkout (slot 0) goes first, its other sagas once it is gone: what came after a checkout
-- is what explains why the order no longer has the status that its checkout left.
-- A saga that is due, or has an unread signal, has work left, and stays.
with stretch as materialized (
    select id, created_at from sagas where id > $4 order by id limit $3
), old as materialized (
    select id from sagas
    where id = any(array(select id from stretch where created_at < $1))
      and state in ('COMPLETED', 'COMPENSATED')
      and wake_at is null
      and updated_at < $1
      and not exists (select from sagas as checkout
                      where sagas.id < 4611686018427387904
                        and checkout.id = sagas.id >> 20 << 20 and checkout.id <> sagas.id)
      and not exists (select from signals where signals.saga_id = sagas.id and signals.consumed_at is null)
    limit $2
    for no key update skip locked
), gone as (
    delete from sagas using old where sagas.id = old.id returning sagas.id
), history as (
    delete from saga_log using gone where saga_log.saga_id = gone.id
)
select (select count(*) from gone) as pruned,
       -- null: all of the stretch is young, and what comes after it is younger
       (select max(id) from stretch having bool_or(created_at < $1)) as last
