-- many rows are a JSON document here, arrays in Postgres
insert into stock_adjustments (sku, delta, reason, actor, at)
select value ->> 'sku', value ->> 'delta', value ->> 'reason', value ->> 'actor', value ->> 'at'
from json_each($1)
