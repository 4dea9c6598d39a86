-- many rows are arrays here, a JSON document in SQLite; each row also tells the present
select asked.key, taken.body, taken.order_id, statement_timestamp() as now
from unnest($1::uuid[]) as asked (key) left join idempotency_keys as taken using (key)
