-- An order that costs nothing is paid by nobody: its method is 'none', whatever the buyer chose. Older binaries cannot read such
-- an order, so they must stop.
--
-- Why it looks like this: SQLite cannot change a check, so the table is made anew.

create table orders_anew (
    id               integer primary key,
    status           text not null check (status in ('PENDING_PAYMENT', 'PENDING_CONFIRMATION', 'CONFIRMED',
                         'PROCESSING', 'SHIPPED', 'DELIVERED', 'CANCELLING', 'CANCELLED')),
    cancel_reason    text check (cancel_reason in ('out_of_stock', 'payment_declined', 'payment_expired',
                         'rejected_by_admin', 'confirmation_expired', 'customer_request', 'admin_request',
                         'refused_on_delivery')),
    method           text not null
        check (method in ('card', 'paypal', 'cod') or (method = 'none' and total_minor = 0)),
    cart_id          text not null,
    customer         text,
    contact          text not null check (json_valid(contact)),
    shipping_address text not null check (json_valid(shipping_address)),
    notes            text,
    total_minor      integer not null check (total_minor >= 0),
    currency         text not null,
    accepted_at      integer not null,
    updated_at       integer not null,
    constraint cancelled_says_why check ((status = 'CANCELLED') = (cancel_reason is not null))
) strict;

insert into orders_anew (id, status, cancel_reason, method, cart_id, customer, contact, shipping_address, notes, total_minor,
                         currency, accepted_at, updated_at)
select id, status, cancel_reason, method, cart_id, customer, contact, shipping_address, notes, total_minor,
       currency, accepted_at, updated_at
from orders;

drop table orders;
alter table orders_anew rename to orders;

-- Two open checkouts for one cart cannot exist, whatever the code does.
create unique index one_unsettled_order_per_cart on orders (cart_id)
    where status in ('PENDING_PAYMENT', 'PENDING_CONFIRMATION');
create index orders_by_customer on orders (customer, id) where customer is not null;
