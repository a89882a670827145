-- The role of the export pipeline in Langfuse's database: it reads what exports hold, and changes
-- nothing but the state of an export. Run it there once, as the owner of Langfuse's tables:
--
--   psql "$DATABASE_URL" --single-transaction --set ON_ERROR_STOP=1 --file postgres_role.sql
--   psql "$DATABASE_URL" --command '\password lf_export'

CREATE ROLE lf_export LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT CONNECTION LIMIT 60;

GRANT USAGE ON SCHEMA public TO lf_export;

-- The exports themselves. The update serves every change of state: start, complete, fail, cancel,
-- and also the return to QUEUED by `lf-export requeue` and by a backfill.
GRANT SELECT ON batch_exports TO lf_export;
GRANT UPDATE (status, log, url, finished_at, expires_at, updated_at) ON batch_exports TO lf_export;

-- A link is handed over in a temporary table, since the server's log may hold statements and their
-- values. Everybody may make such tables unless that was revoked.
DO $$ BEGIN
    IF NOT has_database_privilege('lf_export', current_database(), 'TEMPORARY') THEN
        EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO lf_export', current_database());
    END IF;
END $$;

-- Who gets the e-mail, and the names of users in files. No password is in these columns.
GRANT SELECT (id, email, name) ON users TO lf_export;
GRANT SELECT (id, org_id) ON projects TO lf_export;
GRANT SELECT (id, org_id, user_id, role) ON organization_memberships TO lf_export;
-- Roles in single projects, which win over those in organizations. Old versions of Langfuse have none;
-- run this block again when an upgrade has brought the table: no e-mail is sent while it is there and
-- may not be read.
DO $$ BEGIN
    IF to_regclass('project_memberships') IS NOT NULL THEN
        GRANT SELECT (org_membership_id, project_id, role) ON project_memberships TO lf_export;
    END IF;
END $$;

-- What is exported from Postgres, and what is added to rows of ClickHouse.
GRANT SELECT ON audit_logs TO lf_export;
GRANT SELECT ON comments TO lf_export;
GRANT SELECT ON dataset_items TO lf_export;
GRANT SELECT (id, name, project_id) ON datasets TO lf_export;
GRANT SELECT ON models TO lf_export;
GRANT SELECT ON prices TO lf_export;
GRANT SELECT ON pricing_tiers TO lf_export;
GRANT SELECT ON trace_sessions TO lf_export;

-- Only for who wants standing exports (`lf-export schedule`), or to ask for exports with `lf-export
-- request` instead of Langfuse's button. It is the right to ask for any export of any project:
-- GRANT INSERT (id, project_id, user_id, created_at, updated_at, name, status, format, query)
--     ON batch_exports TO lf_export;
