-- What leaves the shop says whose it is: two databases never use one key twice, whatever numbers they repeat.
--
-- Why it looks like this:
-- * The shop's id is drawn here, once. A database that is created anew is another shop, and meets none of the money that
--   an earlier one left at its payment provider.
-- * Every saga has a prefix of its own for the keys of its calls: shop, order and a nonce. A restored backup repeats an
--   order's number and a saga's slot, but not that.
-- * It breaks older binaries: they would start sagas without a prefix.
-- * A saga under way has sent calls under a key without a prefix, and could not find them again: so none may be under way.

create table settle_all_orders_before_this_migration (
    under_way bigint constraint settle_all_orders_before_this_migration check (under_way = 0)
);
insert into settle_all_orders_before_this_migration
select count(*) from sagas where state not in ('COMPLETED', 'COMPENSATED');
drop table settle_all_orders_before_this_migration;

create table shop (
    id text primary key check (id ~ '^[0-9a-f]{10}$')
);
-- One row, whoever tries.
create unique index only_one_shop on shop ((true));
insert into shop (id) values (substr(replace(gen_random_uuid()::text, '-', ''), 1, 10));

-- The last column, so that an update of those before it does not log it.
alter table sagas add column key_prefix text not null default '';
alter table sagas alter column key_prefix drop default;

-- The field's own terms.
alter table payments rename column settled_by_hand_minor to settled_manually_minor;
alter table refunds rename column settled_by_hand to settled_manually;
alter table workers rename column beat_at to heartbeat_at;
update sagas set definition = 'partial_refund' where definition = 'granted_refund';
