-- undecided orders that wait for nobody outside; a saga of the slot 0 is its order's checkout
select count(*) as at_work
from (
    select 1
    from orders join sagas on sagas.id = orders.id << 20
    where orders.status in ('PENDING_PAYMENT', 'PENDING_CONFIRMATION') and sagas.state <> 'WAITING'
    limit $1
) as unsettled
