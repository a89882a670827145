-- Two runs over every dataset item; the result of a run of an item is a trace of the project.
INSERT INTO dataset_run_items_rmt
(
    id, project_id, dataset_run_id, dataset_item_id, dataset_id, trace_id, observation_id, created_at, updated_at,
    dataset_run_name, dataset_run_metadata, dataset_run_created_at, dataset_item_input, dataset_item_expected_output,
    event_ts, is_deleted
)
SELECT
    lower(hex(MD5(concat({project:String}, '/', toString({seed:UInt64}), '/run-item/', toString(number))))),
    {project:String},
    concat({project:String}, '-run-', toString(run)) AS dataset_run_id,
    concat({project:String}, '-item-', toString(item)),
    concat({project:String}, '-dataset-', toString(item % 2)),
    lower(hex(MD5(concat({project:String}, '/', toString({seed:UInt64}), '/trace/', toString(item % greatest({traces:UInt64}, 1)))))),
    NULL,
    {until:DateTime64(3)} - toIntervalSecond(1 + cityHash64(number) % 86400) AS created_at,
    created_at,
    ['baseline', 'new prompt'][1 + run], map('commit', 'a1b2c3d'), {until:DateTime64(3)} - toIntervalDay(2),
    '{"question":"Which plan includes backups?"}', '{"answer":"Team"}',
    created_at, 0
FROM
(
    SELECT number, number % 2 AS run, intDiv(number, 2) AS item
    FROM numbers(2 * {dataset_items:UInt64})
    WHERE {traces:UInt64} > 0
)
