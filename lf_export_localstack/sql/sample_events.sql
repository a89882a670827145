-- The same traces and observations as events. Each trace is also a span of its own, `t-<id>`, above its observations.
INSERT INTO events_full
(
    project_id, trace_id, span_id, parent_span_id, start_time, name, type, environment, version, release, trace_name,
    user_id, session_id, tags, level, is_app_root, bookmarked, public, model_parameters, input, output, metadata_names,
    metadata_values, source, event_bytes, created_at, updated_at, event_ts, is_deleted
)
SELECT
    project_id, id, concat('t-', id), '', timestamp, name, 'SPAN', environment, ifNull(version, ''),
    ifNull(release, ''), name, ifNull(user_id, ''), ifNull(session_id, ''), tags, 'DEFAULT', true, bookmarked, public,
    '{}', ifNull(input, ''), ifNull(output, ''), mapKeys(metadata), mapValues(metadata), 'ingestion-api-dual-write',
    length(ifNull(input, '')) + length(ifNull(output, '')), created_at, updated_at, event_ts, is_deleted
FROM traces
WHERE project_id = {project:String};

INSERT INTO events_full
(
    project_id, trace_id, span_id, parent_span_id, start_time, end_time, name, type, environment, version, release,
    trace_name, user_id, session_id, tags, level, status_message, completion_start_time, prompt_id, prompt_name,
    prompt_version, model_id, provided_model_name, model_parameters, provided_usage_details, usage_details,
    provided_cost_details, cost_details, usage_pricing_tier_id, usage_pricing_tier_name, tool_definitions, tool_calls,
    tool_call_names, input, output, metadata_names, metadata_values, source, event_bytes, created_at, updated_at,
    event_ts, is_deleted
)
SELECT
    o.project_id, o.trace_id, o.id, ifNull(o.parent_observation_id, concat('t-', o.trace_id)), o.start_time,
    o.end_time, o.name, o.type, o.environment, ifNull(o.version, ''), ifNull(t.release, ''), t.name,
    ifNull(t.user_id, ''), ifNull(t.session_id, ''), t.tags, o.level, ifNull(o.status_message, ''),
    o.completion_start_time, ifNull(o.prompt_id, ''), ifNull(o.prompt_name, ''), o.prompt_version,
    ifNull(o.internal_model_id, ''), ifNull(o.provided_model_name, ''), ifNull(o.model_parameters, '{}'),
    o.provided_usage_details, o.usage_details, o.provided_cost_details, o.cost_details, o.usage_pricing_tier_id,
    o.usage_pricing_tier_name, o.tool_definitions, o.tool_calls, o.tool_call_names, ifNull(o.input, ''),
    ifNull(o.output, ''), mapKeys(o.metadata), mapValues(o.metadata), 'ingestion-api-dual-write',
    length(ifNull(o.input, '')) + length(ifNull(o.output, '')), o.created_at, o.updated_at, o.event_ts, o.is_deleted
FROM observations AS o
INNER JOIN
(
    SELECT id, name, release, user_id, session_id, tags
    FROM traces
    WHERE project_id = {project:String}
) AS t ON t.id = o.trace_id
WHERE o.project_id = {project:String}
