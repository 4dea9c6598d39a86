-- Personal data stands where it belongs: who the buyer is and how to reach them stands in the order alone.
--
-- Why it looks like this:
-- * A saga and a message know their order. An address that is copied into each is forgotten when somebody asks for their
--   data to be erased, and a message to a corrected address still goes to the old one.
-- * It breaks older binaries: they write and read the copies.

alter table notifications drop column recipient;

update sagas set context = (context::jsonb - 'email')::json where context ->> 'email' is not null;
