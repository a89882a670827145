-- The user of the export pipeline in ClickHouse: it reads the tables that exports are made of, and
-- nothing else. Run it once as an administrator: CLICKHOUSE_ADMIN is `--host … --user …`, with --port
-- and --secure where needed, and CLICKHOUSE_PASSWORD is exported, since the second line cannot ask
-- for it. Nobody can sign in before that line, which waits for the new user's password without
-- showing it; that must hold no ' and no \:
--
--   clickhouse-client $CLICKHOUSE_ADMIN --queries-file clickhouse_role.sql
--   stty -echo; read -r password; stty echo; printf "ALTER USER lf_export IDENTIFIED BY '%s' HOST ANY" "$password" | clickhouse-client $CLICKHOUSE_ADMIN; unset password CLICKHOUSE_PASSWORD
--
-- `default` is CLICKHOUSE_DB. On a cluster add ON CLUSTER '<name>' after each object's name.

-- readonly = 2: no statement can write, but a query may bring settings. It brings time-outs, its
-- bounds of memory and threads, Arrow's options and log_comment. With readonly = 1 exports work
-- as well, on the server's own values.
CREATE SETTINGS PROFILE lf_export SETTINGS
    readonly = 2,
    max_memory_usage = 8589934592 MAX 17179869184,
    max_concurrent_queries_for_user = 32;

CREATE USER lf_export IDENTIFIED WITH no_password HOST NONE SETTINGS PROFILE 'lf_export';

GRANT SELECT ON default.traces TO lf_export;
GRANT SELECT ON default.observations TO lf_export;
GRANT SELECT ON default.scores TO lf_export;
GRANT SELECT ON default.dataset_run_items_rmt TO lf_export;
GRANT SELECT ON default.events_full TO lf_export;
GRANT SELECT ON default.events_core TO lf_export;
