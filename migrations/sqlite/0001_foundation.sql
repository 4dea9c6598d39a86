-- The whole shop: catalogue and stock, carts, orders and their money, sagas and their history.
--
-- Why it looks like this: see the twin of the same number in migrations/postgres; tables, columns,
-- checks and unique keys are the same, and what they promise is the same.
--
-- What differs, and why:
-- * Instants are integers, microseconds since the epoch; booleans are 0 or 1: SQLite has no such types.
-- * UUIDs and JSON are text, so that an operator can read them in the `sqlite3` shell.
-- * Tables are strict: without that, SQLite takes any value into any column.
-- * Tables keyed by text, or by two columns, live in their primary key alone (`without rowid`).
-- * Order numbers come from a row, not from a sequence: the one writer already waits its turn.
-- * No fill factors: SQLite has no page-local versions to leave room for.

create table products (
    sku         text primary key check (length(sku) between 1 and 64),
    name        text not null,
    price_minor integer not null check (price_minor >= 0),
    currency    text not null check (currency glob '[A-Z][A-Z][A-Z]'),
    active      integer not null check (active in (0, 1)),
    updated_at  integer not null
) strict, without rowid;

create table stock (
    sku      text primary key,
    on_hand  integer not null,
    reserved integer not null,
    constraint stock_never_oversold check (reserved >= 0 and reserved <= on_hand)
) strict, without rowid;

-- Append-only: why a level was moved by hand.
create table stock_adjustments (
    id     integer primary key,
    sku    text not null,
    delta  integer not null,
    reason text not null,
    actor  text not null,
    at     integer not null
) strict;

create table carts (
    id         text primary key check (length(id) = 36),
    owner      text,
    status     text not null check (status in ('OPEN', 'IN_CHECKOUT', 'CLEARED')),
    order_id   integer,
    items      text not null check (json_valid(items)),
    updated_at integer not null,
    constraint cart_names_its_order check ((status = 'OPEN') = (order_id is null))
) strict, without rowid;

-- One row: the number given out last. A number that a rolled-back transaction took was never seen
-- by anybody, so it may be given out again.
create table order_numbers (
    only_row integer primary key check (only_row = 1),
    last     integer not null
) strict;

insert into order_numbers (only_row, last) values (1, 0);

create table orders (
    id               integer primary key,
    status           text not null check (status in ('PENDING_PAYMENT', 'PENDING_CONFIRMATION', 'CONFIRMED',
                         'PROCESSING', 'SHIPPED', 'DELIVERED', 'CANCELLING', 'CANCELLED')),
    cancel_reason    text check (cancel_reason in ('out_of_stock', 'payment_declined', 'payment_expired',
                         'rejected_by_admin', 'confirmation_expired', 'customer_request', 'admin_request',
                         'refused_on_delivery')),
    method           text not null check (method in ('card', 'paypal', 'cod')),
    cart_id          text not null,
    customer         text,
    contact          text not null check (json_valid(contact)),
    shipping_address text not null check (json_valid(shipping_address)),
    notes            text,
    total_minor      integer not null check (total_minor >= 0),
    currency         text not null,
    accepted_at      integer not null,
    updated_at       integer not null,
    constraint cancelled_says_why check ((status = 'CANCELLED') = (cancel_reason is not null))
) strict;

-- Two open checkouts for one cart cannot exist, whatever the code does.
create unique index one_unsettled_order_per_cart on orders (cart_id)
    where status in ('PENDING_PAYMENT', 'PENDING_CONFIRMATION');

-- One row a SKU: a duplicate line cannot be counted twice.
create table order_lines (
    order_id         integer not null,
    sku              text not null,
    quantity         integer not null check (quantity > 0),
    unit_price_minor integer not null check (unit_price_minor >= 0),
    primary key (order_id, sku)
) strict, without rowid;

-- One row an order: a hold covers all its lines or none, so a repeated reserve cannot count twice.
create table reservations (
    order_id integer primary key,
    status   text not null check (status in ('HELD', 'CONFIRMED', 'RELEASED', 'RESTOCKED'))
) strict;

create table payments (
    order_id       integer primary key,
    provider       text not null,
    status         text not null check (status in ('PENDING', 'REQUIRES_ACTION', 'CAPTURED', 'DECLINED', 'UNKNOWN',
                       'CANCELLED', 'REFUNDED', 'PARTIALLY_REFUNDED', 'DUE_ON_DELIVERY', 'COLLECTED')),
    amount_minor   integer not null check (amount_minor >= 0),
    currency       text not null,
    captured_minor integer not null check (captured_minor >= 0),
    refunded_minor integer not null,
    charge_key     text,
    provider_ref   text,
    next_action    text,
    updated_at     integer not null,
    constraint never_more_back_than_taken check (refunded_minor between 0 and captured_minor)
) strict;

-- One row a saga that gives money back. `late`: the money came after its checkout had given it up.
create table refunds (
    saga_id      integer primary key,
    status       text not null check (status in ('PENDING', 'SUCCEEDED', 'FAILED', 'UNKNOWN')),
    amount_minor integer not null check (amount_minor >= 0),
    currency     text not null,
    charge_key   text not null,
    late         integer not null check (late in (0, 1)),
    updated_at   integer not null
) strict;

-- The claim is the lock: two requests with one key meet on this row. Digests, so no caller's text is kept.
create table idempotency_keys (
    key        text primary key check (length(key) = 36),
    body       text not null check (length(body) = 36),
    order_id   integer not null,
    created_at integer not null
) strict, without rowid;

-- For the pruner. An ordinary index: SQLite has no block ranges.
create index idempotency_keys_by_age on idempotency_keys (created_at);

create table sagas (
    id           integer primary key,
    definition   text not null,
    version      integer not null,
    queue        text not null check (queue in ('checkout', 'compensation', 'payment-events', 'notifications')),
    state        text not null check (state in ('RUNNING', 'WAITING', 'COMPENSATING', 'COMPLETED', 'COMPENSATED', 'DEAD')),
    fence        integer not null,
    leased_until integer,
    -- Outbox, timer and sweep in one: when the saga is due. Null: nothing to do until a signal.
    wake_at      integer,
    progress     text not null check (json_valid(progress)),
    context      text not null check (json_valid(context)),
    -- Why the row itself could not be read or planned; such a saga is dead.
    poison       text,
    created_at   integer not null,
    updated_at   integer not null
) strict;

create index sagas_due on sagas (wake_at) where wake_at is not null;
create index sagas_dead on sagas (id) where state = 'DEAD';

-- One row a commit, so no commit of a saga is told twice.
create table saga_log (
    saga_id integer not null,
    fence   integer not null,
    at      integer not null,
    entries text not null check (json_valid(entries)),
    primary key (saga_id, fence)
) strict, without rowid;

-- `seq` is the rowid, and autoincrement keeps it from being given out twice after a prune.
create table signals (
    saga_id     integer not null,
    dedupe      text not null,
    seq         integer primary key autoincrement,
    body        text not null check (json_valid(body)),
    created_at  integer not null,
    consumed_at integer,
    unique (saga_id, dedupe)
) strict;

create table notifications (
    saga_id    integer primary key,
    notice     text not null,
    channel    text not null,
    recipient  text not null,
    status     text not null check (status in ('PENDING', 'SENT', 'FAILED')),
    created_at integer not null,
    updated_at integer not null
) strict;

-- Append-only: what admins and operators did.
create table admin_actions (
    id      integer primary key,
    at      integer not null,
    actor   text not null,
    action  text not null,
    subject text not null,
    detail  text not null
) strict;

create table queues (
    queue     text primary key,
    paused_at integer not null,
    paused_by text not null
) strict, without rowid;
