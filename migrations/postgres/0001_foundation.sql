-- The whole shop: catalogue and stock, carts, orders and their money, sagas and their history.
--
-- Why it looks like this:
-- * Inside, keys are bigint (an order's number; saga = order << 8 | slot): a tenth less WAL than UUIDs.
-- * Tables whose rows are updated leave half of each page free, and have few and partial indices, so
--   that most updates stay on their page and touch no index.
-- * No foreign keys between tables that one commit writes together: the engine writes them in one
--   transaction under the saga's lock, and `holdfast audit` recomputes what they would say.
-- * CHECKs and unique keys repeat the rules that must hold whoever writes.

create table products (
    sku         text primary key check (length(sku) between 1 and 64),
    name        text not null,
    price_minor bigint not null check (price_minor >= 0),
    currency    text not null check (currency ~ '^[A-Z]{3}$'),
    active      boolean not null,
    updated_at  timestamptz not null
);

create table stock (
    sku      text primary key,
    on_hand  bigint not null,
    reserved bigint not null,
    constraint stock_never_oversold check (reserved >= 0 and reserved <= on_hand)
) with (fillfactor = 50);

-- Append-only: why a level was moved by hand.
create table stock_adjustments (
    id     bigint generated always as identity primary key,
    sku    text not null,
    delta  bigint not null,
    reason text not null,
    actor  text not null,
    at     timestamptz not null
);

create table carts (
    id         uuid primary key,
    owner      text,
    status     text not null check (status in ('OPEN', 'IN_CHECKOUT', 'CLEARED')),
    order_id   bigint,
    items      jsonb not null,
    updated_at timestamptz not null,
    constraint cart_names_its_order check ((status = 'OPEN') = (order_id is null))
) with (fillfactor = 50);

create sequence order_number;

create table orders (
    id               bigint primary key,
    status           text not null check (status in ('PENDING_PAYMENT', 'PENDING_CONFIRMATION', 'CONFIRMED',
                         'PROCESSING', 'SHIPPED', 'DELIVERED', 'CANCELLING', 'CANCELLED')),
    cancel_reason    text check (cancel_reason in ('out_of_stock', 'payment_declined', 'payment_expired',
                         'rejected_by_admin', 'confirmation_expired', 'customer_request', 'admin_request',
                         'refused_on_delivery')),
    method           text not null check (method in ('card', 'paypal', 'cod')),
    cart_id          uuid not null,
    customer         text,
    contact          jsonb not null,
    shipping_address jsonb not null,
    notes            text,
    total_minor      bigint not null check (total_minor >= 0),
    currency         text not null,
    accepted_at      timestamptz not null,
    updated_at       timestamptz not null,
    constraint cancelled_says_why check ((status = 'CANCELLED') = (cancel_reason is not null))
) with (fillfactor = 70);

-- Two open checkouts for one cart cannot exist, whatever the code does.
create unique index one_unsettled_order_per_cart on orders (cart_id)
    where status in ('PENDING_PAYMENT', 'PENDING_CONFIRMATION');

-- One row a SKU: a duplicate line cannot be counted twice.
create table order_lines (
    order_id         bigint not null,
    sku              text not null,
    quantity         integer not null check (quantity > 0),
    unit_price_minor bigint not null check (unit_price_minor >= 0),
    primary key (order_id, sku)
);

-- One row an order: a hold covers all its lines or none, so a repeated reserve cannot count twice.
create table reservations (
    order_id bigint primary key,
    status   text not null check (status in ('HELD', 'CONFIRMED', 'RELEASED', 'RESTOCKED'))
) with (fillfactor = 50);

create table payments (
    order_id       bigint primary key,
    provider       text not null,
    status         text not null check (status in ('PENDING', 'REQUIRES_ACTION', 'CAPTURED', 'DECLINED', 'UNKNOWN',
                       'CANCELLED', 'REFUNDED', 'PARTIALLY_REFUNDED', 'DUE_ON_DELIVERY', 'COLLECTED')),
    amount_minor   bigint not null check (amount_minor >= 0),
    currency       text not null,
    captured_minor bigint not null check (captured_minor >= 0),
    refunded_minor bigint not null,
    charge_key     text,
    provider_ref   text,
    next_action    text,
    updated_at     timestamptz not null,
    constraint never_more_back_than_taken check (refunded_minor between 0 and captured_minor)
) with (fillfactor = 50);

-- One row a saga that gives money back. `late`: the money came after its checkout had given it up.
create table refunds (
    saga_id      bigint primary key,
    status       text not null check (status in ('PENDING', 'SUCCEEDED', 'FAILED', 'UNKNOWN')),
    amount_minor bigint not null check (amount_minor >= 0),
    currency     text not null,
    charge_key   text not null,
    late         boolean not null,
    updated_at   timestamptz not null
);

-- The claim is the lock: two requests with one key meet on this row. Digests, so no caller's text is kept.
create table idempotency_keys (
    key        uuid primary key,
    body       uuid not null,
    order_id   bigint not null,
    created_at timestamptz not null
);

-- For the pruner; block ranges cost an insert nothing.
create index idempotency_keys_by_age on idempotency_keys using brin (created_at);

create table sagas (
    id           bigint primary key,
    definition   text not null,
    version      integer not null,
    queue        text not null check (queue in ('checkout', 'compensation', 'payment-events', 'notifications')),
    state        text not null check (state in ('RUNNING', 'WAITING', 'COMPENSATING', 'COMPLETED', 'COMPENSATED', 'DEAD')),
    fence        bigint not null,
    leased_until timestamptz,
    -- Outbox, timer and sweep in one: when the saga is due. Null: nothing to do until a signal.
    wake_at      timestamptz,
    progress     jsonb not null,
    context      jsonb not null,
    -- Why the row itself could not be read or planned; such a saga is dead.
    poison       text,
    created_at   timestamptz not null,
    updated_at   timestamptz not null
) with (fillfactor = 50);

create index sagas_due on sagas (wake_at) where wake_at is not null;
create index sagas_dead on sagas (id) where state = 'DEAD';

-- One row a commit, so no commit of a saga is told twice.
create table saga_log (
    saga_id bigint not null,
    fence   bigint not null,
    at      timestamptz not null,
    entries jsonb not null,
    primary key (saga_id, fence)
);

create table signals (
    saga_id     bigint not null,
    dedupe      text not null,
    seq         bigint generated always as identity,
    body        jsonb not null,
    created_at  timestamptz not null,
    consumed_at timestamptz,
    primary key (saga_id, dedupe)
);

create table notifications (
    saga_id    bigint primary key,
    notice     text not null,
    channel    text not null,
    recipient  text not null,
    status     text not null check (status in ('PENDING', 'SENT', 'FAILED')),
    created_at timestamptz not null,
    updated_at timestamptz not null
) with (fillfactor = 50);

-- Append-only: what admins and operators did.
create table admin_actions (
    id      bigint generated always as identity primary key,
    at      timestamptz not null,
    actor   text not null,
    action  text not null,
    subject text not null,
    detail  text not null
);

create table queues (
    queue     text primary key,
    paused_at timestamptz not null,
    paused_by text not null
);
