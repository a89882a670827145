-- Sample scores of every type, on traces, observations, sessions and dataset runs.
INSERT INTO scores
(
    id, timestamp, project_id, environment, trace_id, session_id, dataset_run_id, observation_id, name, value, source,
    comment, metadata, author_user_id, data_type, string_value, created_at, updated_at, event_ts, is_deleted,
    long_string_value
)
WITH
    -- name, type, source, percentage of the traces that have one, on the model call instead of on the trace
    [
        ('accuracy', 'NUMERIC', 'EVAL', 60, 0),
        ('helpful', 'BOOLEAN', 'ANNOTATION', 30, 0),
        ('tone', 'CATEGORICAL', 'EVAL', 40, 0),
        ('user feedback', 'TEXT', 'API', 10, 0),
        ('correction', 'CORRECTION', 'ANNOTATION', 3, 1),
        ('toxicity', 'NUMERIC', 'EVAL', 25, 1)
    ] AS kinds
SELECT
    substring(lower(hex(MD5(concat(t.id, '/score/', kind.1)))), 1, 20) AS id,
    t.timestamp + toIntervalMillisecond(60000 + chance % 400000) AS timestamp,
    t.project_id, t.environment, t.id AS trace_id, NULL, NULL,
    if(kind.5 = 1, substring(lower(hex(MD5(concat(t.id, '/', toString({scored_step:UInt32}))))), 1, 16), NULL),
    kind.1 AS name,
    multiIf(kind.2 = 'NUMERIC', round(chance % 1000 / 1000, 3), kind.2 = 'BOOLEAN', chance % 2, 0) AS value,
    kind.3 AS source,
    if(chance % 6 = 0, 'Checked against the handbook, page 12.', NULL) AS comment,
    if(source = 'EVAL', map('evaluator', 'judge-v2'), map()),
    if(source = 'ANNOTATION', ['user-ada', 'user-grace', 'user-alan'][1 + chance % 3], NULL),
    kind.2 AS data_type,
    multiIf(
        data_type = 'BOOLEAN', if(value = 1, 'True', 'False'),
        data_type = 'CATEGORICAL', ['friendly', 'neutral', 'curt', 'höflich'][1 + chance % 4],
        data_type = 'TEXT', ['Thanks, that helped!', 'Too long, and it missed the point.'][1 + chance % 2],
        NULL
    ),
    timestamp AS created_at, timestamp AS updated_at, timestamp AS event_ts, 0,
    if(data_type = 'CORRECTION', ifNull(t.output, ''), '')
FROM
(
    SELECT
        id, timestamp, project_id, environment, output,
        arrayJoin(kinds) AS kind,
        cityHash64(id, kind.1, 'score') AS chance
    FROM traces
    WHERE project_id = {project:String}
) AS t
WHERE intDiv(chance, 7) % 100 < kind.4
    AND (kind.5 = 0 OR {observations_per_trace:UInt32} > 0);

INSERT INTO scores
    (id, timestamp, project_id, environment, session_id, name, value, source, data_type, created_at, updated_at,
     event_ts, is_deleted)
SELECT
    substring(lower(hex(MD5(concat(session_id, '/score')))), 1, 20),
    max(timestamp) + toIntervalMinute(1) AS scored_at, {project:String}, any(environment), session_id,
    'satisfaction', 1 + cityHash64(session_id) % 5, 'API', 'NUMERIC', scored_at, scored_at,
    scored_at, 0
FROM (SELECT timestamp, environment, assumeNotNull(session_id) AS session_id
      FROM traces WHERE project_id = {project:String} AND session_id IS NOT NULL)
GROUP BY session_id
HAVING cityHash64(session_id, 'scored') % 4 = 0;

INSERT INTO scores
    (id, timestamp, project_id, dataset_run_id, name, value, source, data_type, created_at, updated_at, event_ts,
     is_deleted)
SELECT
    substring(lower(hex(MD5(concat(dataset_run_id, '/score')))), 1, 20),
    max(created_at) AS scored_at, {project:String}, dataset_run_id, 'pass rate', 0.9, 'EVAL', 'NUMERIC',
    scored_at, scored_at, scored_at, 0
FROM dataset_run_items_rmt
WHERE project_id = {project:String}
GROUP BY dataset_run_id
