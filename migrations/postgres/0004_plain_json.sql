-- What only Holdfast writes and only Holdfast reads is kept as it was written.
--
-- Why it looks like this:
-- * jsonb takes a document apart when it is written and puts it together when it is read; nobody asks for a part of
--   one on the hot path. As json it is checked and copied: about two thirds of the cost of writing a saga's row.
-- * Operators may still look into one: `context ->> 'email'` says what it did before.
-- * Nothing here breaks an older binary: what it writes as jsonb is taken.

alter table carts alter column items type json;

alter table orders
    alter column contact type json,
    alter column shipping_address type json;

alter table sagas
    alter column progress type json,
    alter column context type json;

alter table saga_log alter column entries type json;

alter table signals alter column body type json;
