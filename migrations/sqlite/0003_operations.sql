-- What operators need: money that they saw to themselves, a reason for a queue that is paused, and who works.
--
-- Why it looks like this: see the twin of the same number in migrations/postgres.
--
-- What differs, and why:
-- * The check stands at its column: SQLite adds no constraint to a table that is there.

alter table payments add column settled_by_hand_minor integer not null default 0
    check (settled_by_hand_minor >= 0 and refunded_minor + settled_by_hand_minor <= captured_minor);

alter table refunds add column settled_by_hand integer not null default 0 check (settled_by_hand in (0, 1));

-- Why it is paused, if whoever did it said so.
alter table queues add column reason text;

create table workers (
    name        text primary key,
    host        text not null,
    pid         integer not null,
    version     text not null,
    -- How many calls of each queue may be in flight.
    pools       text not null check (json_valid(pools)),
    -- The definitions it knows, with their versions.
    definitions text not null check (json_valid(definitions)),
    in_flight   integer not null,
    started_at  integer not null,
    beat_at     integer not null,
    -- Set when it left by itself.
    left_at     integer
) strict, without rowid;
