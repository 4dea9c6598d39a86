-- one statement for hints and for the sweep; it never waits: what it skips is looked at again. The present is the
-- database's own, unless a test owns it. Apart from SQLite, whose single writer has nothing to skip
with hinted as (
    select * from sagas
    where id = any($1)
      and (leased_until is null or leased_until <= coalesce($2, statement_timestamp()))
      and queue = any($3)
      and queue <> all (array(select queue from queues))
      and (definition, version) in (select * from unnest($4::text[], $5::integer[]))
    order by id
    for no key update skip locked
), due as (
    select * from sagas
    where wake_at <= coalesce($2, statement_timestamp())
      and (leased_until is null or leased_until <= coalesce($2, statement_timestamp()))
      and id not in (select unnest($6::bigint[]))
      and queue = any($3)
      and queue <> all (array(select queue from queues))
      and (definition, version) in (select * from unnest($4::text[], $5::integer[]))
    order by wake_at
    limit $7
    for no key update skip locked
)
select id, definition, version, queue, state, fence, leased_until, wake_at, progress, context, poison,
       key_prefix, created_at, updated_at, statement_timestamp() as seen_at
from (select * from hinted union all select * from due) claimed
