insert into sagas (id, definition, version, queue, state, fence, leased_until, wake_at, progress, context,
                   created_at, updated_at)
select id, definition, version, queue, state, fence, leased_until, wake_at, progress::json, context::json, $11, $11
from unnest($1::bigint[], $2::text[], $3::integer[], $4::text[], $5::text[], $6::bigint[], $7::timestamptz[],
            $8::timestamptz[], $9::text[], $10::text[])
     as new (id, definition, version, queue, state, fence, leased_until, wake_at, progress, context)
