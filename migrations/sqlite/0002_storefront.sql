-- What a shop needs once customers and admins come in over HTTP: a customer's own carts, orders and
-- messages are found without reading everybody's, a message knows when it was read, the audit trail knows
-- which order it is about, and all programs that share the file sign with one secret.
--
-- Why it looks like this: see the twin of the same number in migrations/postgres.
--
-- What differs, and why:
-- * No index for paging the catalogue: the primary key compares bytes already.

create index carts_by_owner on carts (owner, id) where owner is not null;

create index orders_by_customer on orders (customer, id) where customer is not null;

-- When its reader saw it first.
alter table notifications add column read_at integer;

-- What was done to an order by hand. Null: it was about something else.
alter table admin_actions add column order_id integer;

create index admin_actions_by_order on admin_actions (order_id, id) where order_id is not null;

-- Made by whoever needs one first, and never replaced: what was signed with it stays valid.
create table secrets (
    name       text primary key,
    value      blob not null check (length(value) = 32),
    created_at integer not null
) strict, without rowid;
