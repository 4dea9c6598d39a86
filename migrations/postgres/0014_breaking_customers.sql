-- A customer in rows is a random id of ours; who that is for the issuer of their tokens stands here alone, so that it can be
-- erased here. Older binaries write the name itself, so they must stop.

-- What an older binary commits meanwhile would lose its owner.
lock table orders, carts in access exclusive mode;

create table customers (
    id         uuid primary key,
    issuer     text not null,
    sub        text not null,
    created_at timestamptz not null,
    constraint one_customer_per_subject unique (issuer, sub)
);

-- Which issuer vouched for those from before was not kept: the first one that knows them by this name is taken for it.
insert into customers (id, issuer, sub, created_at)
select gen_random_uuid(), '', sub, now()
from (select customer from orders where customer is not null
      union
      select owner from carts where owner is not null) as known (sub);
analyze customers;

drop index orders_by_customer;
alter table orders rename column customer to customer_sub;
alter table orders add column customer uuid;
update orders set customer = customers.id from customers
where customers.issuer = '' and customers.sub = orders.customer_sub;
alter table orders drop column customer_sub;
create index orders_by_customer on orders (customer, id) where customer is not null;

drop index carts_by_owner;
alter table carts rename column owner to owner_sub;
alter table carts add column owner uuid;
update carts set owner = customers.id from customers
where customers.issuer = '' and customers.sub = carts.owner_sub;
alter table carts drop column owner_sub;
create index carts_by_owner on carts (owner, id) where owner is not null;
