"""What Dagster hands to a sensor of ended runs: once for each run, whatever comes of it."""

from collections.abc import Mapping

import dagster as dg


def context_of_end(
    instance: dg.DagsterInstance,
    run_id: str,
    kind: dg.DagsterEventType,
    resources: Mapping[str, object],
) -> dg.RunStatusSensorContext:
    """The context for the event of this kind with which the run has ended."""
    (record,) = instance.get_records_for_run(run_id, of_type=kind, limit=1).records
    run, event = instance.get_run_by_id(run_id), record.event_log_entry.dagster_event
    assert run
    assert event
    return dg.build_run_status_sensor_context(
        sensor_name="runs_that_ended",
        dagster_event=event,
        dagster_instance=instance,
        dagster_run=run,
        resources={name: resources[name] for name in ("export_rows", "spool", "files")},
    )
