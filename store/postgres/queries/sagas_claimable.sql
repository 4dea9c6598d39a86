-- hinted and due, and yet not claimed: another transaction held the row for a moment
select id
from sagas
where id = any($1)
  and (leased_until is null or leased_until <= coalesce($2, statement_timestamp()))
  and queue = any($3)
  and queue <> all (array(select queue from queues))
  and (definition, version) in (select * from unnest($4::text[], $5::integer[]))
