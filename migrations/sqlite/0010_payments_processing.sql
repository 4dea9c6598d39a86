-- A payment can be on its way at the provider for days (a bank debit): PROCESSING, which the provider alone ends.
--
-- Why it looks like this: SQLite cannot change a check, so the table is made anew.

create table payments_anew (
    order_id               integer primary key,
    provider               text not null,
    status                 text not null check (status in ('PENDING', 'REQUIRES_ACTION', 'PROCESSING', 'CAPTURED', 'DECLINED',
                               'UNKNOWN', 'CANCELLED', 'REFUNDED', 'PARTIALLY_REFUNDED', 'DUE_ON_DELIVERY', 'COLLECTED')),
    amount_minor           integer not null check (amount_minor >= 0),
    currency               text not null,
    captured_minor         integer not null check (captured_minor >= 0),
    refunded_minor         integer not null,
    settled_manually_minor integer not null default 0
        check (settled_manually_minor >= 0 and refunded_minor + settled_manually_minor <= captured_minor),
    charge_key             text,
    details                text not null default '{}',
    updated_at             integer not null,
    constraint never_more_back_than_taken check (refunded_minor between 0 and captured_minor)
) strict;

insert into payments_anew (order_id, provider, status, amount_minor, currency, captured_minor, refunded_minor,
                           settled_manually_minor, charge_key, details, updated_at)
select order_id, provider, status, amount_minor, currency, captured_minor, refunded_minor,
       settled_manually_minor, charge_key, details, updated_at
from payments;

drop table payments;
alter table payments_anew rename to payments;
