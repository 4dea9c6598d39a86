-- What a shop needs once customers and admins come in over HTTP: a customer's own carts, orders and
-- messages are found without reading everybody's, a message knows when it was read, the audit trail knows
-- which order it is about, and all replicas sign with one secret.
--
-- Why it looks like this:
-- * The indices are partial and hold only columns that never change once they are set: guests' rows are in
--   none of them, and the updates of the hot path (a status, an instant) touch none of them.
-- * A catalogue is paged by SKU, bytewise: `collate "C"` means the same order whatever the database's
--   locale is, and in the other stores.
-- * Nothing here breaks an older binary: new columns may be null, and nobody else's statement names them.

create index carts_by_owner on carts (owner, id) where owner is not null;

create index orders_by_customer on orders (customer, id) where customer is not null;

create index products_by_sku on products (sku collate "C");

-- When its reader saw it first.
alter table notifications add column read_at timestamptz;

-- What was done to an order by hand. Null: it was about something else.
alter table admin_actions add column order_id bigint;

create index admin_actions_by_order on admin_actions (order_id, id) where order_id is not null;

-- Made by whoever needs one first, and never replaced: what was signed with it stays valid.
create table secrets (
    name       text primary key,
    value      bytea not null check (length(value) = 32),
    created_at timestamptz not null
);
