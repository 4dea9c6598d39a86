select id, definition, version, queue, state, fence, leased_until, wake_at,
       progress::text as "progress!", context::text, poison, key_prefix, created_at, updated_at,
       statement_timestamp() as "seen_at!"
from sagas
where ($1::text is null or definition = $1)
  and ($2::text is null or state = $2)
  and ($3::bigint is null or id < $3)
order by id desc
limit $4
