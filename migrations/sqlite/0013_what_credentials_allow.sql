-- Each worker says which payment providers it is set up for, and what its credentials allow there: so calls go to a worker that
-- can send them, and no order is accepted that no worker can take the money of.
--
-- Why it looks like this: null is what a worker of an older release says.

alter table workers add column providers text check (json_valid(providers));
