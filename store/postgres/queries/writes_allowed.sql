-- whether this database may be written, as it is set now: a session keeps the default that it began with
select
    pg_is_in_recovery() as is_standby,
    (
        select substring(entry from position('=' in entry) + 1)
        from pg_db_role_setting, unnest(setconfig) as entry
        where entry like 'default\_transaction\_read\_only=%'
          and setdatabase in (0, (select oid from pg_database where datname = current_database()))
          and setrole in (0, (select oid from pg_roles where rolname = session_user))
        order by setrole <> 0 desc, setdatabase <> 0 desc
        limit 1
    ) as of_role_or_database,
    setting as of_session,
    source
from pg_settings
where name = 'default_transaction_read_only'
