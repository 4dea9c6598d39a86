select version, description from _sqlx_migrations order by version
