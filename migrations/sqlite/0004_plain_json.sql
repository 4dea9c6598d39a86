-- What only Holdfast writes and only Holdfast reads is kept as it was written.
--
-- Why it looks like this: see the twin of the same number in migrations/postgres.
--
-- What differs, and why:
-- * Nothing is to be done: documents have been text here from the first.

select 1;
