-- What the lake needs in Langfuse's Postgres beyond postgres_role.sql: which deletions were asked
-- for, for the check that nothing which should be erased is left. Run it once, after that file, as
-- the owner of Langfuse's tables:
--
--   psql "$DATABASE_URL" --single-transaction --set ON_ERROR_STOP=1 --file postgres_lake.sql
--
-- In ClickHouse the lake needs nothing beyond clickhouse_role.sql.

GRANT SELECT (project_id, object, object_id, created_at) ON pending_deletions TO lf_export;
