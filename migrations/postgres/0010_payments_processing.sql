-- A payment can be on its way at the provider for days (a bank debit): PROCESSING, which the provider alone ends.

alter table payments drop constraint payments_status_check;
alter table payments add constraint payments_status_check
    check (status in ('PENDING', 'REQUIRES_ACTION', 'PROCESSING', 'CAPTURED', 'DECLINED', 'UNKNOWN', 'CANCELLED', 'REFUNDED',
        'PARTIALLY_REFUNDED', 'DUE_ON_DELIVERY', 'COLLECTED')) not valid;
