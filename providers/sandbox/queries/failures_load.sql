select payer, failures
from failures
where payer in (select value from json_each(?1))
