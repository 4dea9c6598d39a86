-- A database that was restored, moved or copied is noticed before anybody outside is called in its shop's name.
--
-- Why it looks like this:
-- * A copy carries all of this along, so what tells it apart is where it is: `home` is where the database was when an
--   operator answered for it last. `holdfast migrate` writes it first.
-- * A copy that became a shop of its own keeps the orders it was copied with. They are the other shop's.
-- * Nothing here breaks an older binary: its statements name none of these columns.

alter table shop add column epoch integer not null default 1;
alter table shop add column home text;
alter table shop add column forked_from text check (length(forked_from) = 10);
alter table shop add column first_order integer not null default 1;
alter table shop add column missing_order integer;
