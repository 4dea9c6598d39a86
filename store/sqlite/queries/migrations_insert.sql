insert into _sqlx_migrations (version, description, success, checksum, execution_time) values ($1, $2, true, $3, $4)
