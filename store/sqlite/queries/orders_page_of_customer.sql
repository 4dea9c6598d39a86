-- Apart from the page of all: a customer's page is a range of their index.
select id
from orders
where customer = ?1
  and (?2 is null or status = ?2)
  and (?3 is null or method = ?3)
  and (?4 is null or cancel_reason = ?4)
  and id < ?5
  -- 256 sagas an order: the low byte of a saga's id is its slot.
  and (?6 is null or ?6 = exists (
      select 1 from sagas
      where sagas.state = 'DEAD' and sagas.id between orders.id << 8 and (orders.id << 8) + 255))
order by id desc
limit ?7
