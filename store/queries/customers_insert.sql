insert into customers (id, issuer, sub, created_at) values ($1, $2, $3, $4) on conflict (issuer, sub) do nothing
