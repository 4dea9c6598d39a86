-- A product and a stock level count their changes, so that an ETag never stands for two states of them (a digest of the level
-- did: five pieces came, five were sold, and the same request was done twice). A request that is repeated under its key is
-- known by it.
--
-- Why it looks like this: a version beside the level costs no statement, and a key has a table of its own because those of
-- checkouts carry the number of an order.

alter table stock add column version integer not null default 0;
alter table products add column version integer not null default 1;

create table request_keys (
    key        text primary key check (length(key) = 36),
    body       text not null check (length(body) = 36),
    created_at integer not null
) strict, without rowid;
