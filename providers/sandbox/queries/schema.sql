-- The sandbox provider's ledger: what a payment provider knows, and nothing that the shop knows.
-- Instants are microseconds since 1970, amounts minor units. Rows are found by our keys alone.
create table if not exists charges (
    key text primary key,
    state text not null check (state in ('requires_action', 'captured', 'declined', 'voided')),
    -- null for a void that came before its charge, or instead of it
    amount_minor integer,
    currency text,
    captured_minor integer not null,
    -- deliberately not held below captured_minor: the ledger shows mistakes, it does not prevent them
    refunded_minor integer not null,
    refunds_refused integer not null,
    reason text,
    keyed_at integer not null
) strict, without rowid;

create index if not exists charges_waiting on charges (key) where state = 'requires_action';

create table if not exists refunds (
    key text primary key,
    charge text not null,
    amount_minor integer not null,
    moved_minor integer not null,
    keyed_at integer not null
) strict, without rowid;

create index if not exists refunds_of_charge on refunds (charge);

-- How often tok_flaky has failed for an order.
create table if not exists failures (
    payer text primary key,
    failures integer not null
) strict, without rowid;
