-- The shop that every peer works on: Holdfast's own rows of an order, without its saga bookkeeping.
-- Rows that are updated leave half of each page free, as in Holdfast's schema, so that updates touch no index.

create table products (
    sku         bigint primary key,
    name        text not null,
    price_minor bigint not null check (price_minor >= 0)
);

create table stock (
    sku      bigint primary key,
    on_hand  bigint not null,
    reserved bigint not null,
    constraint stock_never_oversold check (reserved >= 0 and reserved <= on_hand)
) with (fillfactor = 50);

create table carts (
    id         bigint primary key,
    status     text not null check (status in ('OPEN', 'IN_CHECKOUT', 'CLEARED')),
    order_id   bigint,
    items      jsonb not null,
    updated_at timestamptz not null
) with (fillfactor = 50);

create sequence order_number;

create table orders (
    id               bigint primary key,
    status           text not null check (status in ('PENDING', 'CONFIRMED', 'CANCELLED')),
    cancel_reason    text,
    cart_id          bigint not null,
    contact          jsonb not null,
    shipping_address jsonb not null,
    total_minor      bigint not null check (total_minor >= 0),
    accepted_at      timestamptz not null,
    updated_at       timestamptz not null,
    constraint cancelled_says_why check ((status = 'CANCELLED') = (cancel_reason is not null))
) with (fillfactor = 70);

create table order_lines (
    order_id         bigint not null,
    sku              bigint not null,
    quantity         integer not null check (quantity > 0),
    unit_price_minor bigint not null,
    primary key (order_id, sku)
);

create table reservations (
    order_id bigint primary key,
    status   text not null check (status in ('HELD', 'CONFIRMED'))
) with (fillfactor = 50);

create table payments (
    order_id       bigint primary key,
    status         text not null check (status in ('PENDING', 'CAPTURED')),
    amount_minor   bigint not null,
    captured_minor bigint not null check (captured_minor between 0 and amount_minor),
    charge_key     text not null,
    provider_ref   text,
    updated_at     timestamptz not null
) with (fillfactor = 50);

create table notifications (
    order_id   bigint primary key,
    notice     text not null,
    recipient  text not null,
    status     text not null check (status in ('PENDING', 'SENT')),
    created_at timestamptz not null,
    updated_at timestamptz not null
) with (fillfactor = 50);

-- How far an order has come; only bullmq_job needs it, the others' engines remember.
create table order_steps (
    order_id bigint primary key,
    step     text not null
) with (fillfactor = 50);
