-- many rows are arrays here, a JSON document in SQLite
insert into refunds (saga_id, status, amount_minor, currency, charge_key, late, settled_manually, updated_at)
select *, $8
from unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::boolean[], $7::boolean[])
