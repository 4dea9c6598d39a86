-- a copy of a database has another number, or stands on a server that was set up apart
select (select system_identifier from pg_control_system()) || '/' || oid as here
from pg_database
where datname = current_database()
