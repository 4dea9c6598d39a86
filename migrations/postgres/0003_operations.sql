-- What operators need: money that they saw to themselves, a reason for a queue that is paused, and who works.
--
-- Why it looks like this:
-- * Money settled by hand is a column of its own: it was neither kept nor given back by the provider, and the
--   audit's sum over an order's money holds with it. The refund it was owed for says so as well, so that every
--   amount has a book.
-- * The check is not held against the rows that are there: none of them has settled anything by hand, so an older
--   check of theirs says the same.
-- * A worker is one row, written every few seconds, and no other statement waits for it.
-- * Nothing here breaks an older binary: new columns have defaults or may be null, and it names none of them.

alter table payments add column settled_by_hand_minor bigint not null default 0;

alter table payments add constraint never_more_settled_than_taken
    check (settled_by_hand_minor >= 0 and refunded_minor + settled_by_hand_minor <= captured_minor) not valid;

alter table refunds add column settled_by_hand boolean not null default false;

-- Why it is paused, if whoever did it said so.
alter table queues add column reason text;

create table workers (
    name        text primary key,
    host        text not null,
    pid         bigint not null,
    version     text not null,
    -- How many calls of each queue may be in flight.
    pools       jsonb not null,
    -- The definitions it knows, with their versions.
    definitions jsonb not null,
    in_flight   bigint not null,
    started_at  timestamptz not null,
    beat_at     timestamptz not null,
    -- Set when it left by itself.
    left_at     timestamptz
) with (fillfactor = 50);
