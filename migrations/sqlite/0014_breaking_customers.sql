-- A customer in rows is a random id of ours; who that is for the issuer of their tokens stands here alone, so that it can be
-- erased here. Older binaries write the name itself, so they must stop.

create table customers (
    id         text primary key check (length(id) = 36),
    issuer     text not null,
    sub        text not null,
    created_at integer not null,
    constraint one_customer_per_subject unique (issuer, sub)
) strict, without rowid;

-- Which issuer vouched for those from before was not kept: the first one that knows them by this name is taken for it.
with known (sub, bits) as materialized (
    select sub, lower(hex(randomblob(16)))
    from (select customer as sub from orders where customer is not null
          union
          select owner from carts where owner is not null)
)
insert into customers (id, issuer, sub, created_at)
select substr(bits, 1, 8) || '-' || substr(bits, 9, 4) || '-4' || substr(bits, 14, 3) || '-8' || substr(bits, 18, 3)
           || '-' || substr(bits, 21),
       '', sub, unixepoch() * 1000000
from known;

-- A type does not matter here, only what is in the column.
update orders set customer = (select id from customers where issuer = '' and sub = orders.customer)
where customer is not null;
update carts set owner = (select id from customers where issuer = '' and sub = carts.owner)
where owner is not null;
