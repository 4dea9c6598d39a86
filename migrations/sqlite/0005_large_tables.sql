-- A long past does not slow today's orders.
--
-- Why it looks like this: see the twin of the same number in migrations/postgres.
--
-- What differs, and why:
-- * Nothing is to be done: the index on the age of keys has been an ordinary one from the first, and nothing is vacuumed.

select 1;
