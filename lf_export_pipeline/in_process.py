"""One export in this process, without a daemon: for the command line and for tests."""

from collections.abc import Mapping

import dagster as dg

from lf_export_pipeline.partitions import PARTITIONS_NAME


def run_export(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    export_id: str,
    resources: Mapping[str, object],
    *,
    force: bool = False,
    project_id: str | None = None,
    log_level: str = "CRITICAL",
) -> dg.ExecuteInProcessResult:
    """The result of a run of the whole job; failures are in it, they are not raised.

    Args:
        job: As ``job.batch_export_job`` makes it; it can be used again and again.
        instance: Where the run is recorded; an ephemeral one forgets it.
        export_id: Whose row is read.
        resources: By the names of ``wiring.PORTS``.
        force: Make a COMPLETED export once more.
        project_id: Run only if the export is of this project.
        log_level: From which level on Dagster writes to the console; every event is recorded.
    """
    instance.add_dynamic_partitions(PARTITIONS_NAME, [export_id])
    asked = {"force": force} | ({"project_id": project_id} if project_id else {})
    return job.execute_in_process(
        run_config={
            "ops": {"validate_export": {"config": asked}},
            "loggers": {"console": {"config": {"log_level": log_level}}},
        },
        instance=instance,
        partition_key=export_id,
        resources=dict(resources),
        raise_on_error=False,
    )
