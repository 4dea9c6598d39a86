insert into notifications (saga_id, notice, channel, recipient, status, created_at, updated_at)
select *, $6, $6 from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[])
