-- The Postgres tables of a Langfuse 4 database that batch exports read or write. Applied once, in one
-- transaction. Timestamps hold UTC without saying so.

CREATE TYPE "AuditLogRecordType" AS ENUM ('USER', 'API_KEY');
CREATE TYPE "CommentObjectType" AS ENUM ('TRACE', 'OBSERVATION', 'SESSION', 'PROMPT');
CREATE TYPE "DatasetStatus" AS ENUM ('ACTIVE', 'ARCHIVED');
CREATE TYPE "Role" AS ENUM ('OWNER', 'ADMIN', 'MEMBER', 'VIEWER', 'NONE');

CREATE TABLE batch_exports (
    id text NOT NULL,
    created_at timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    project_id text NOT NULL,
    user_id text NOT NULL,
    finished_at timestamp(3),
    expires_at timestamp(3),
    name text NOT NULL,
    status text NOT NULL,
    query jsonb NOT NULL,
    format text NOT NULL,
    url text,
    log text,
    PRIMARY KEY (id)
);

CREATE TABLE users (
    id text NOT NULL,
    name text,
    email text,
    email_verified timestamp(3),
    password text,
    image text,
    created_at timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    feature_flags text[] DEFAULT ARRAY[]::text[],
    admin boolean NOT NULL DEFAULT false,
    v4_beta_enabled boolean NOT NULL DEFAULT false,
    PRIMARY KEY (id),
    UNIQUE (email)
);

CREATE TABLE comments (
    id text NOT NULL,
    project_id text NOT NULL,
    object_type "CommentObjectType" NOT NULL,
    object_id text NOT NULL,
    created_at timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    content text NOT NULL,
    author_user_id text,
    data_field text,
    path text[] DEFAULT '{}'::text[],
    range_start int4[] DEFAULT '{}'::integer[],
    range_end int4[] DEFAULT '{}'::integer[],
    PRIMARY KEY (id)
);

CREATE TABLE trace_sessions (
    id text NOT NULL,
    created_at timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    project_id text NOT NULL,
    bookmarked boolean NOT NULL DEFAULT false,
    public boolean NOT NULL DEFAULT false,
    environment text NOT NULL DEFAULT 'default'::text,
    PRIMARY KEY (id, project_id)
);

CREATE TABLE datasets (
    id text NOT NULL,
    name text NOT NULL,
    project_id text NOT NULL,
    created_at timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    description text,
    metadata jsonb,
    remote_experiment_payload jsonb,
    remote_experiment_url text,
    expected_output_schema json,
    input_schema json,
    remote_experiment_enabled boolean NOT NULL DEFAULT true,
    remote_experiment_display_headers jsonb,
    remote_experiment_display_secret_key text,
    remote_experiment_request_headers jsonb,
    remote_experiment_secret_key text,
    PRIMARY KEY (id, project_id),
    UNIQUE (project_id, name)
);

CREATE TABLE dataset_items (
    id text NOT NULL,
    input jsonb,
    expected_output jsonb,
    source_observation_id text,
    dataset_id text NOT NULL,
    created_at timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    status "DatasetStatus" DEFAULT 'ACTIVE'::"DatasetStatus",
    source_trace_id text,
    metadata jsonb,
    project_id text NOT NULL,
    is_deleted boolean NOT NULL DEFAULT false,
    valid_from timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    valid_to timestamp(3),
    PRIMARY KEY (id, project_id, valid_from)
);

CREATE TABLE audit_logs (
    id text NOT NULL,
    created_at timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    user_id text,
    project_id text,
    resource_type text NOT NULL,
    resource_id text NOT NULL,
    action text NOT NULL,
    before text,
    after text,
    org_id text NOT NULL,
    user_org_role text,
    user_project_role text,
    api_key_id text,
    type "AuditLogRecordType" NOT NULL DEFAULT 'USER'::"AuditLogRecordType",
    PRIMARY KEY (id)
);

CREATE TABLE models (
    id text NOT NULL,
    created_at timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    project_id text,
    model_name text NOT NULL,
    match_pattern text NOT NULL,
    start_date timestamp(3),
    input_price numeric(65,30),
    output_price numeric(65,30),
    total_price numeric(65,30),
    unit text,
    tokenizer_config jsonb,
    tokenizer_id text,
    PRIMARY KEY (id),
    UNIQUE (project_id, model_name, start_date, unit)
);

CREATE TABLE prices (
    id text NOT NULL,
    created_at timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    model_id text NOT NULL,
    usage_type text NOT NULL,
    price numeric(65,30) NOT NULL,
    project_id text,
    pricing_tier_id text NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (model_id, usage_type, pricing_tier_id)
);

CREATE TABLE pricing_tiers (
    id text NOT NULL,
    created_at timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    model_id text NOT NULL,
    name text NOT NULL,
    is_default boolean NOT NULL DEFAULT false,
    priority integer NOT NULL,
    conditions jsonb NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (model_id, priority),
    UNIQUE (model_id, name)
);

CREATE TABLE projects (
    id text NOT NULL,
    created_at timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    name text NOT NULL,
    updated_at timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    org_id text NOT NULL,
    deleted_at timestamp(3),
    retention_days integer,
    metadata jsonb,
    has_traces boolean NOT NULL DEFAULT false,
    home_dashboard_id text,
    PRIMARY KEY (id)
);

CREATE TABLE organizations (
    id text NOT NULL,
    name text NOT NULL,
    created_at timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    cloud_config jsonb,
    metadata jsonb,
    ai_features_enabled boolean NOT NULL DEFAULT false,
    cloud_billing_cycle_anchor timestamp(3) DEFAULT CURRENT_TIMESTAMP,
    cloud_billing_cycle_updated_at timestamp(3),
    cloud_current_cycle_usage integer,
    cloud_free_tier_usage_threshold_state text,
    ai_telemetry_enabled boolean NOT NULL DEFAULT true,
    sfdc_org_id text,
    PRIMARY KEY (id)
);

CREATE TABLE organization_memberships (
    id text NOT NULL,
    org_id text NOT NULL,
    user_id text NOT NULL,
    role "Role" NOT NULL,
    created_at timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (id),
    UNIQUE (org_id, user_id)
);
