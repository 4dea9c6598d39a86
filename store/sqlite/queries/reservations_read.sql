-- many rows are a JSON document here, arrays in Postgres
select order_id, status
from reservations
where order_id in (select value from json_each($1))
