-- The rest of the sample project. People, models and prices are shared by all sample projects.
INSERT INTO organizations (id, name, created_at, updated_at)
VALUES ('org-sample', 'Sample Ltd', %(until)s, %(until)s) ON CONFLICT DO NOTHING;

INSERT INTO projects (id, name, org_id, created_at, updated_at, has_traces)
VALUES (%(project)s, %(project)s, 'org-sample', %(until)s, %(until)s, true) ON CONFLICT DO NOTHING;

INSERT INTO users (id, name, email, created_at, updated_at)
SELECT 'user-' || lower(name), name || ' ' || surname, lower(name) || '@example.com', %(until)s::timestamp, %(until)s::timestamp
FROM (VALUES ('Ada', 'Lovelace'), ('Grace', 'Hopper'), ('Alan', 'Turing'), ('Barbara', 'Liskov')) AS people (name, surname)
ON CONFLICT DO NOTHING;

INSERT INTO organization_memberships (id, org_id, user_id, role)
SELECT 'member-' || id, 'org-sample', id, (CASE id WHEN 'user-ada' THEN 'OWNER' ELSE 'MEMBER' END)::"Role"
FROM users WHERE id IN ('user-ada', 'user-grace', 'user-alan', 'user-barbara')
ON CONFLICT DO NOTHING;

INSERT INTO models (id, model_name, match_pattern, unit)
SELECT 'model-' || name, name, '(?i)^' || name || '$', 'TOKENS'
FROM unnest(ARRAY['gpt-4o', 'gpt-4o-mini', 'claude-sonnet-4', 'mistral-large']) AS name
ON CONFLICT DO NOTHING;

INSERT INTO pricing_tiers (id, model_id, name, is_default, priority, conditions)
SELECT 'tier-' || model_name, id, 'Standard', true, 0, '[]' FROM models WHERE id LIKE 'model-%%'
ON CONFLICT DO NOTHING;

INSERT INTO prices (id, model_id, usage_type, price, pricing_tier_id)
SELECT 'price-' || model || '-' || usage, 'model-' || model, usage, price, 'tier-' || model
FROM (VALUES
    ('gpt-4o', 'input', 0.0000025), ('gpt-4o', 'output', 0.00001),
    ('gpt-4o-mini', 'input', 0.00000015), ('gpt-4o-mini', 'output', 0.0000006),
    ('claude-sonnet-4', 'input', 0.000003), ('claude-sonnet-4', 'output', 0.000015),
    ('mistral-large', 'input', 0.000002), ('mistral-large', 'output', 0.000006)
) AS list (model, usage, price)
ON CONFLICT DO NOTHING;

INSERT INTO trace_sessions (id, project_id, created_at, updated_at, bookmarked, public, environment)
SELECT
    'session-' || substr(md5(%(project)s || '/' || %(seed)s || '/session/' || number), 1, 12), %(project)s,
    %(until)s::timestamp - make_interval(days => %(days)s), %(until)s::timestamp, number %% 12 = 0, number %% 30 = 0, 'default'
FROM generate_series(0, (%(traces)s + 3) / 4 - 1) AS number
WHERE number %% 5 < 3;

INSERT INTO datasets (id, name, project_id, description, metadata, created_at, updated_at)
SELECT %(project)s || '-dataset-' || number, (ARRAY['Support questions', 'Edge cases'])[number + 1], %(project)s,
    'Questions with the answers that were agreed on.', '{"owner": "quality"}', %(until)s::timestamp, %(until)s::timestamp
FROM generate_series(0, 1) AS number;

INSERT INTO dataset_items
    (id, project_id, dataset_id, input, expected_output, metadata, source_trace_id, status, created_at, updated_at,
     valid_from)
SELECT
    %(project)s || '-item-' || number, %(project)s, %(project)s || '-dataset-' || number %% 2,
    jsonb_build_object('question', 'Which plan includes backups?', 'number', number),
    CASE WHEN number %% 5 = 0 THEN NULL ELSE to_jsonb('Team, and every plan above it.'::text) END,
    jsonb_build_object('difficulty', number %% 3),
    CASE WHEN number < %(traces)s THEN md5(%(project)s || '/' || %(seed)s || '/trace/' || number) END,
    (CASE WHEN number %% 9 = 0 THEN 'ARCHIVED' ELSE 'ACTIVE' END)::"DatasetStatus",
    moment, moment, moment
FROM generate_series(0, %(dataset_items)s - 1) AS number
CROSS JOIN LATERAL (SELECT %(until)s::timestamp - make_interval(mins => 1 + number) AS moment) AS moments;

INSERT INTO comments (id, project_id, object_type, object_id, content, author_user_id, created_at, updated_at)
SELECT
    md5(%(project)s || '/' || %(seed)s || '/comment/' || number), %(project)s,
    (ARRAY['TRACE', 'TRACE', 'OBSERVATION', 'SESSION'])[number %% 4 + 1]::"CommentObjectType",
    CASE number %% 4
        WHEN 2 THEN substr(md5(trace || '/0'), 1, 16)
        WHEN 3 THEN 'session-' || substr(md5(%(project)s || '/' || %(seed)s || '/session/' || place / 20 * 5), 1, 12)
        ELSE trace
    END,
    (ARRAY['Good answer.', 'Wrong tone, see guideline 3.', E'Please check:\n1. the address\n2. the date', 'Danke – übernommen 👍'])[number / 4 %% 4 + 1],
    (ARRAY['user-ada', 'user-grace', 'user-alan'])[number %% 3 + 1],
    moment, moment
FROM
(
    SELECT number, place, %(until)s::timestamp - make_interval(mins => 1 + number) AS moment,
        md5(%(project)s || '/' || %(seed)s || '/trace/' || place) AS trace
    FROM (SELECT number, number * 7 %% greatest(%(traces)s, 1) AS place FROM generate_series(0, %(comments)s - 1) AS number) AS places
    WHERE %(traces)s > 0
) AS chosen;

INSERT INTO audit_logs
    (id, created_at, updated_at, user_id, project_id, resource_type, resource_id, action, before, after, org_id,
     user_org_role, user_project_role, api_key_id, type)
SELECT
    md5(%(project)s || '/' || %(seed)s || '/audit/' || number), moment, moment,
    CASE WHEN by_key THEN NULL ELSE 'user-ada' END, %(project)s,
    (ARRAY['prompt', 'dataset', 'apiKey', 'score'])[number %% 4 + 1], 'resource-' || number,
    (ARRAY['create', 'update', 'delete'])[number %% 3 + 1],
    CASE WHEN number %% 3 > 0 THEN '{"name":"before, with \"quotes\""}' END,
    CASE WHEN number %% 3 < 2 THEN '{"name":"after"}' END,
    'org-sample', CASE WHEN by_key THEN NULL ELSE 'OWNER' END, NULL,
    CASE WHEN by_key THEN 'pk-lf-sample' END,
    (CASE WHEN by_key THEN 'API_KEY' ELSE 'USER' END)::"AuditLogRecordType"
FROM
(
    SELECT number, number %% 4 = 0 AS by_key, %(until)s::timestamp - make_interval(mins => 1 + number) AS moment
    FROM generate_series(0, %(audit_logs)s - 1) AS number
) AS numbered;
