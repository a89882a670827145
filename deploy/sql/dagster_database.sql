-- Dagster's own records: runs, events, schedules. A database of its own, on any server; Dagster
-- makes its tables there at the first start. Run it once as a superuser, or as one who may make roles
-- and databases, as the administrators of managed servers are:
--
--   psql "$ADMIN_URL" --set ON_ERROR_STOP=1 --file dagster_database.sql
--   psql "$ADMIN_URL" --command '\password dagster'

CREATE ROLE dagster LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE;
-- Only a member can make it the owner; a superuser needs no such right and loses none.
GRANT dagster TO CURRENT_USER;
CREATE DATABASE dagster OWNER dagster;
REVOKE CONNECT ON DATABASE dagster FROM PUBLIC;
REVOKE dagster FROM CURRENT_USER;
