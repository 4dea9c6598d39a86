-- without their contexts; the token is the one of their order's checkout, so that it can be kept out of the reason.
-- From 2^62 on, sagas serve no order
select dead.id, dead.definition, dead.version, dead.progress, dead.poison, dead.wake_at, dead.updated_at,
       (select checkout.context ->> 'token' from sagas as checkout
        where dead.id < 4611686018427387904 and checkout.id = (dead.id >> 20) << 20) as token
from sagas as dead
where dead.state = 'DEAD' and dead.id < $1
order by dead.id desc
limit $2
