select version, description, checksum, success from _sqlx_migrations order by version
