-- What databases of earlier versions lack. Applied at each start, after postgres.sql.

CREATE TABLE IF NOT EXISTS project_memberships (
    org_membership_id text NOT NULL,
    project_id text NOT NULL,
    user_id text NOT NULL,
    role "Role" NOT NULL,
    created_at timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (project_id, user_id)
);

CREATE TABLE IF NOT EXISTS pending_deletions (
    id text NOT NULL,
    project_id text NOT NULL,
    object text NOT NULL,
    object_id text NOT NULL,
    is_deleted boolean NOT NULL DEFAULT false,
    created_at timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (id)
);
