-- Dagster's own records: runs, events, schedules. A database of its own, on any server; Dagster
-- makes its tables there at the first start. Run it once as a superuser:
--
--   psql "$ADMIN_URL" --set ON_ERROR_STOP=1 --file dagster_database.sql
--   psql "$ADMIN_URL" --command '\password dagster'

CREATE ROLE dagster LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE;
CREATE DATABASE dagster OWNER dagster;
REVOKE CONNECT ON DATABASE dagster FROM PUBLIC;
