-- apart from the list of all: a customer's page is a range of their index, however many orders there are
select id
from orders
where customer = $1
  and ($2::text is null or status = $2)
  and ($3::text is null or method = $3)
  and ($4::text is null or cancel_reason = $4)
  and id < $5
  and ($6::boolean is null
       or $6 = exists (select from sagas where state = 'DEAD' and sagas.id between orders.id << 8 and orders.id << 8 | 255))
order by id desc
limit $7
