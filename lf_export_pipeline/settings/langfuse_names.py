"""Langfuse's variables that are no settings of ours: what is read elsewhere, and what is not read.

A name may end or begin with ``*``. A test takes every variable that Langfuse documents and finds
it among the settings or here.
"""

READ_BY_LIBRARIES = (
    (
        "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_PROFILE, AWS_REGION",
        "AWS's own chain, for the bucket without a key or region of its own, and for `ses://`.",
    ),
    ("HTTPS_PROXY, NO_PROXY", "The way to S3 and SES; NO_PROXY names hosts that need no proxy."),
)

WITHOUT_EFFECT = (
    ("BATCH_EXPORT_PAGE_SIZE", "Nothing is read in pages."),
    ("LANGFUSE_S3_UPLOAD_ENABLE_BUFFERED", "Parts always have the size that is set."),
    (
        "LANGFUSE_S3_CONCURRENT_READS, LANGFUSE_S3_CONCURRENT_WRITES, LANGFUSE_S3_LIST_MAX_KEYS, "
        "LANGFUSE_S3_DELETE_OBJECTS_CHECKSUM_ALGORITHM, LANGFUSE_S3_RATE_ERROR_SLOWDOWN_*",
        "They are about events and media.",
    ),
    (
        "LANGFUSE_S3_EVENT_*, LANGFUSE_S3_MEDIA_*, LANGFUSE_S3_CORE_DATA_*",
        "No other bucket is used than that of the exports.",
    ),
    (
        "LANGFUSE_AZURE_SKIP_CONTAINER_CHECK, LANGFUSE_GOOGLE_CLOUD_STORAGE_CREDENTIALS, "
        "GOOGLE_CLOUD_UNIVERSE_DOMAIN, LANGFUSE_OCI_*, OCI_*",
        "Only S3 is supported.",
    ),
    ("CLICKHOUSE_CLUSTER_ENABLED, CLICKHOUSE_CLUSTER_NAME", "Reads need no cluster name."),
    ("CLICKHOUSE_MIGRATION_*", "Nothing is migrated."),
    ("CLICKHOUSE_KEEP_ALIVE_IDLE_SOCKET_TTL", "Dead connections are noticed and replaced."),
    (
        "CLICKHOUSE_DISABLE_TOP_K_THROUGH_JOIN, CLICKHOUSE_USE_QUERY_CONDITION_CACHE",
        "No query has a limit over a join, and none is asked twice.",
    ),
    (
        "CLICKHOUSE_MAX_BYTES_BEFORE_EXTERNAL_GROUP_BY, LANGFUSE_CLICKHOUSE_DATA_EXPORT_*",
        "LF_EXPORT_CLICKHOUSE_MEMORY_MIB bounds queries; time-outs are Langfuse's defaults.",
    ),
    (
        "CLICKHOUSE_ASYNC_INSERT_*, CLICKHOUSE_LIGHTWEIGHT_DELETE_MODE, "
        "CLICKHOUSE_UPDATE_PARALLEL_MODE, CLICKHOUSE_USE_LIGHTWEIGHT_UPDATE",
        "Nothing is written to ClickHouse.",
    ),
    (
        "LANGFUSE_API_CLICKHOUSE_DISABLE_OBSERVATIONS_FINAL, LANGFUSE_SKIP_FINAL_FOR_OTEL_PROJECTS",
        "The newest version always wins.",
    ),
    (
        "LANGFUSE_DATASET_SERVICE_READ_FROM_VERSIONED_IMPLEMENTATION",
        "Versions are always read.",
    ),
    (
        "DIRECT_URL, SHADOW_DATABASE_URL, LANGFUSE_AUTO_*, LANGFUSE_BACKGROUND_MIGRATION_*, "
        "LANGFUSE_ENABLE_BACKGROUND_MIGRATIONS, LANGFUSE_MIGRATION_*",
        "They are for migrations, of which this pipeline makes none.",
    ),
    (
        "QUEUE_CONSUMER_*, BATCH_ACTION_EXPORT_ROW_LIMIT, LANGFUSE_BATCH_*, LANGFUSE_BULLMQ_*, "
        "REDIS_*",
        "There is no queue but the table.",
    ),
    (
        "NODE_EXTRA_CA_CERTS",
        "CAs are named by LF_EXPORT_S3_CA_FILE, LF_EXPORT_CLICKHOUSE_CA_FILE, "
        "LF_EXPORT_SMTP_CA_FILE and sslrootcert in DATABASE_URL.",
    ),
    (
        "SALT, ENCRYPTION_KEY, NEXTAUTH_SECRET, NEXTAUTH_COOKIE_DOMAIN, AUTH_*, ADMIN_API_KEY, "
        "LANGFUSE_EE_LICENSE_KEY, LANGFUSE_CUSTOM_SSO_*, LANGFUSE_SSO_*",
        "Nobody signs in here.",
    ),
    (
        "PORT, HOSTNAME, NODE_ENV, VERCEL_URL, BUILD_ID, NEXT_PUBLIC_*, NEXT_SENTRY_*, "
        "TELEMETRY_ENABLED, OTEL_*, SENTRY_*, LANGFUSE_LOG_*, ENABLE_AWS_CLOUDWATCH_*, "
        "BETTERSTACK_*, LANGFUSE_CSP_*, LANGFUSE_UI_*, LANGFUSE_MARKDOWN_*, LANGFUSE_MCP_*, "
        "LANGFUSE_RATE_LIMITS_ENABLED, LANGFUSE_ALLOWED_ORGANIZATION_CREATORS, LANGFUSE_DEFAULT_*, "
        "LANGFUSE_INIT_*, LANGFUSE_*ENABLE_EXPERIMENTAL_FEATURES, ENABLE_EXPERIMENTAL_FEATURES, "
        "LANGFUSE_FORCE_V3_EXPERIENCE, LANGFUSE_DISABLE_LEGACY_TRACING_IO_SEARCH, "
        "LANGFUSE_API_TRACE*, LANGFUSE_API_CLICKHOUSE_PROPAGATE_*, LANGFUSE_SERVER_SIDE_IO_*",
        "They are about the web app, its API and its containers.",
    ),
    (
        "LANGFUSE_CACHE_*, LANGFUSE_LOCAL_CACHE_*, LANGFUSE_INGEST*, LANGFUSE_OTEL_*, "
        "LANGFUSE_TRACE_*, LANGFUSE_EVENT_*, LANGFUSE_OBSERVATION_*, LANGFUSE_MAX_*, "
        "LANGFUSE_ENABLE_*, LANGFUSE_SKIP_INGESTION_*, LANGFUSE_SKIP_S3_LIST_*, "
        "LANGFUSE_SECONDARY_*, LANGFUSE_TOKEN_COUNT_*, LANGFUSE_ROOT_EVENT_*, "
        "LANGFUSE_QUEUE_*, LANGFUSE_ENTITY_CHANGE_*",
        "They are about taking traces in.",
    ),
    (
        "LANGFUSE_EVAL_*, LANGFUSE_CODE_EVAL_*, LANGFUSE_LLM_*, LANGFUSE_AI_*, LANGFUSE_AWS_*, "
        "LANGFUSE_IN_APP_AGENT_*, LANGFUSE_FETCH_LLM_*, LANGFUSE_EXPERIMENT_*, LANGFUSE_MONITOR_*, "
        "LANGFUSE_WEBHOOK_*, LANGFUSE_DATASET_DELETE_CONCURRENCY, LANGFUSE_DATASET_RUN_BACKFILL_*, "
        "LANGFUSE_DATASET_SERVICE_WRITE_*, LANGFUSE_BLOB_STORAGE_*, LANGFUSE_POSTHOG_*, "
        "LANGFUSE_MIXPANEL_*, LANGFUSE_POSTGRES_METERING_*, LANGFUSE_DELETE_*, "
        "LANGFUSE_PROJECT_DELETE_*, LANGFUSE_SCORE_DELETE_*, LANGFUSE_MEDIA_*, "
        "LANGFUSE_CLICKHOUSE_*DELET*, SLACK_*",
        "They are about other work of Langfuse's worker.",
    ),
    (
        "LANGFUSE_CLOUD_*, LANGFUSE_FREE_TIER_*, LANGFUSE_*_WEBHOOK, CLOUD_CRM_EMAIL, STRIPE_*, "
        "CLICKHOUSE_BILLING_*, PLAIN_*, PYLON_API_KEY",
        "They are for Langfuse Cloud.",
    ),
    (
        "*_CONTAINER_NAME, *_HOST_PORT, *_VOLUME_NAME, MINIO_*, CLICKHOUSE_HTTP_PORT, "
        "CLICKHOUSE_NATIVE_PORT, DOCKER_*",
        "They are for Langfuse's own containers.",
    ),
)
