-- A long past does not slow today's orders.
--
-- Why it looks like this:
-- * A block range remembers the oldest key that was ever in it. Once keys are pruned and their pages filled again, all
--   ranges say that they hold old ones, and the pruner reads the whole table for nothing. An ordinary index says it
--   exactly, and an insert only appends to it.
-- * Sagas and signals need no index for this: the pruner walks from the oldest id on until all is young.
-- * What a vacuum finds room in is filled next. When it comes after a fifth of the table has changed, as it does unless
--   told, that is a row here and there on each of very many old pages: every insert reads one, and writes it to the log
--   whole. When it comes after a fiftieth, it is the last hour's pages, which are in memory and in the log already.
-- * Nothing here breaks an older binary: its statements name no index.

drop index idempotency_keys_by_age;

create index idempotency_keys_by_age on idempotency_keys (created_at);

alter table carts set (autovacuum_vacuum_scale_factor = 0.02);
alter table orders set (autovacuum_vacuum_scale_factor = 0.02);
alter table reservations set (autovacuum_vacuum_scale_factor = 0.02);
alter table payments set (autovacuum_vacuum_scale_factor = 0.02);
alter table sagas set (autovacuum_vacuum_scale_factor = 0.02);
alter table notifications set (autovacuum_vacuum_scale_factor = 0.02);
