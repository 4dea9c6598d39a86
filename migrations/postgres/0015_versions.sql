-- A product and a stock level count their changes, so that an ETag never stands for two states of them (a digest of the level
-- did: five pieces came, five were sold, and the same request was done twice). A request that is repeated under its key is
-- known by it.
--
-- Why it looks like this: a version beside the level costs no statement, and a key has a table of its own because those of
-- checkouts carry the number of an order.

alter table stock add column version bigint not null default 0;
alter table products add column version bigint not null default 1;

create table request_keys (
    key        uuid primary key,
    body       uuid not null,
    created_at timestamptz not null
);
