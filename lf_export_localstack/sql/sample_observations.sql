-- Sample observations, made from the traces of the project: step 0 spans the whole turn, the others are its
-- children; every third step is a call of a model, whose usage follows from its text and whose cost from its usage.
INSERT INTO observations
(
    id, trace_id, project_id, environment, type, parent_observation_id, start_time, end_time, name, metadata, level,
    status_message, version, input, output, provided_model_name, internal_model_id, model_parameters,
    provided_usage_details, usage_details, provided_cost_details, cost_details, total_cost, completion_start_time,
    prompt_id, prompt_name, prompt_version, created_at, updated_at, event_ts, is_deleted, usage_pricing_tier_id,
    usage_pricing_tier_name, tool_definitions, tool_calls, tool_call_names
)
WITH
    -- name, price of an input token, price of an output token: those of the Postgres tables models and prices.
    [
        ('gpt-4o', '0.0000025', '0.00001'),
        ('gpt-4o-mini', '0.00000015', '0.0000006'),
        ('claude-sonnet-4', '0.000003', '0.000015'),
        ('mistral-large', '0.000002', '0.000006')
    ] AS models,
    '{"type":"object","properties":{"number":{"type":"string"}},"required":["number"]}' AS tool_schema
SELECT
    substring(lower(hex(MD5(concat(t.id, '/', toString(step))))), 1, 16) AS id,
    t.id AS trace_id,
    t.project_id AS project_id,
    t.environment AS environment,
    multiIf(
        step = 0, if(t.name = 'support-agent', 'AGENT', 'SPAN'),
        is_generation, 'GENERATION',
        t.name = 'support-agent', 'TOOL',
        t.name = 'answer-from-documents', if(step = 1, 'RETRIEVER', 'EMBEDDING'),
        step % 5 = 4, 'EVENT',
        'CHAIN'
    ) AS type,
    if(step = 0, NULL, substring(lower(hex(MD5(concat(t.id, '/0')))), 1, 16)) AS parent_observation_id,
    t.timestamp + toIntervalMillisecond(if(step = 0, 0, 20 + (step - 1) * 700 + chance % 200)) AS start_time,
    if(type = 'EVENT', NULL,
        start_time + toIntervalMillisecond(if(step = 0, 60 + steps * 720, 80 + chance % 600))) AS end_time,
    multiIf(
        step = 0, 'handle-request', is_generation, 'call-model', type = 'TOOL', 'find_order',
        type = 'RETRIEVER', 'search-index', type = 'EMBEDDING', 'embed-query', type = 'EVENT', 'cache-miss', 'prepare'
    ) AS name,
    map('step', toString(step), 'cached', if(chance % 4 = 0, 'true', 'false')) AS metadata,
    multiIf(t.output IS NULL AND step = 0, 'ERROR', chance % 20 = 0, 'WARNING', chance % 11 = 0, 'DEBUG', 'DEFAULT') AS level,
    multiIf(level = 'ERROR', 'The model did not answer within 30 s.', level = 'WARNING', 'Retried once.', NULL)
        AS status_message,
    t.version AS version,
    if(type = 'TOOL', '{"number":"40-7781"}', t.input) AS input,
    multiIf(type = 'TOOL', '{"status":"sent","items":[{"sku":"A-1","count":2}]}', type = 'EVENT', NULL, t.output) AS output,
    if(is_generation, model.1, NULL) AS provided_model_name,
    if(is_generation, concat('model-', model.1), NULL) AS internal_model_id,
    if(is_generation, '{"temperature":0.2,"max_tokens":1024}', NULL) AS model_parameters,
    usage_details AS provided_usage_details,
    if(is_generation, map(
        'input', input_tokens, 'output', output_tokens, 'total', input_tokens + output_tokens
    ), map()) AS usage_details,
    map() AS provided_cost_details,
    if(is_generation, map(
        'input', input_cost, 'output', output_cost, 'total', input_cost + output_cost
    ), map()) AS cost_details,
    if(is_generation, input_cost + output_cost, NULL) AS total_cost,
    if(is_generation, start_time + toIntervalMillisecond(40 + chance % 300), NULL) AS completion_start_time,
    if(is_generation, 'prompt-answer', NULL) AS prompt_id,
    if(is_generation, 'answer', NULL) AS prompt_name,
    if(is_generation, toUInt16(1 + chance % 3), NULL) AS prompt_version,
    t.created_at AS created_at,
    t.updated_at AS updated_at,
    t.event_ts AS event_ts,
    0 AS is_deleted,
    if(is_generation, concat('tier-', model.1), NULL) AS usage_pricing_tier_id,
    if(is_generation, 'Standard', NULL) AS usage_pricing_tier_name,
    if(calls_tool, map('find_order', tool_schema), map()) AS tool_definitions,
    if(calls_tool, ['{"id":"call-1","name":"find_order","arguments":"{\\"number\\":\\"40-7781\\"}"}'], []) AS tool_calls,
    if(calls_tool, ['find_order'], []) AS tool_call_names
FROM
(
    SELECT
        *,
        {observations_per_trace:UInt32} AS steps,
        arrayJoin(range(steps)) AS step,
        step % 3 = 2 AS is_generation,
        is_generation AND name = 'support-agent' AS calls_tool,
        cityHash64(id, step) AS chance,
        models[1 + chance % length(models)] AS model,
        toUInt64(intDiv(length(ifNull(input, '')), 4)) AS input_tokens,
        toUInt64(intDiv(length(ifNull(output, '')), 4)) AS output_tokens,
        toDecimal64(model.2, 12) * input_tokens AS input_cost,
        toDecimal64(model.3, 12) * output_tokens AS output_cost
    FROM traces
    WHERE project_id = {project:String}
) AS t
