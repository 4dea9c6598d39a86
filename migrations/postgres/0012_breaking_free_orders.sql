-- An order that costs nothing is paid by nobody: its method is 'none', whatever the buyer chose. Older binaries cannot read such
-- an order, so they must stop.

alter table orders drop constraint orders_method_check;
alter table orders add constraint orders_method_check
    check (method in ('card', 'paypal', 'cod') or (method = 'none' and total_minor = 0)) not valid;
