"""The jobs that make, list and change standing exports, as ``lf-export`` does from a shell."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import dagster as dg
from pydantic import Field

from lf_export_pipeline.core.markdown import markdown_table
from lf_export_pipeline.core.ports import BatchExportRepository
from lf_export_pipeline.defs.redacted import (
    permanent_errors_end_the_step,
    redact_unexpected_errors,
)
from lf_export_pipeline.schedules.requests import (
    Action,
    ScheduleConfig,
    change,
    record_of,
    schedule,
)
from lf_export_pipeline.schedules.store import StandingExports
from lf_export_pipeline.settings import Settings


class StandingExportsConfig(dg.Config):
    """What is to be done with which standing exports."""

    action: Action = Field(
        default=Action.LIST,
        description="list, pause, resume, or remove; the exports that were queued stay.",
    )
    ids: list[str] = Field(
        default=[], description="Of the standing exports; to list all, leave it empty."
    )


@dg.op
@redact_unexpected_errors()
def make_standing_export(
    context: dg.OpExecutionContext,
    config: ScheduleConfig,
    *,
    export_rows: dg.ResourceParam[BatchExportRepository],
    settings: dg.ResourceParam[Settings],
) -> None:
    """Keeps a new standing export; the sensor then queues its exports."""
    kept = StandingExports(context.instance)
    with permanent_errors_end_the_step():
        standing = schedule(kept, export_rows, config, datetime.now(UTC), settings)
    context.log.info("The standing export %s was made.", standing.id)
    context.add_output_metadata(report_of([record_of(*each) for each in kept.these([standing.id])]))


@dg.op
@redact_unexpected_errors()
def change_standing_exports(context: dg.OpExecutionContext, config: StandingExportsConfig) -> None:
    """Lists, pauses, resumes or removes standing exports."""
    kept = StandingExports(context.instance)
    with permanent_errors_end_the_step():
        found = change(kept, config.action, config.ids, datetime.now(UTC))
    context.log.info("%s: %d standing exports.", config.action.value, len(found))
    context.add_output_metadata(report_of(found))


def report_of(records: Sequence[Mapping[str, str]]) -> dict[str, dg.MetadataValue]:
    """What the run's page shows: a block for each, since the table would be too wide."""
    blocks = [markdown_table(("", ""), record.items()) for record in records]
    return {
        "standing_exports": dg.MetadataValue.int(len(records)),
        "report": dg.MetadataValue.md("\n\n".join(blocks) or "There are no standing exports."),
    }


@dg.job(
    executor_def=dg.in_process_executor,
    config=dg.RunConfig(ops={"make_standing_export": ScheduleConfig()}),
    description="Makes an export of Langfuse again and again, each time for the next window of "
    "time. Open the Launchpad and fill in the id of the export.",
)
def schedule_export() -> None:
    """One op: checks and keeps."""
    make_standing_export()


@dg.job(
    executor_def=dg.in_process_executor,
    config=dg.RunConfig(ops={"change_standing_exports": StandingExportsConfig()}),
    description="Lists standing exports; with another action in the Launchpad it pauses, resumes "
    "or removes those named.",
)
def standing_exports() -> None:
    """One op: changes and reports."""
    change_standing_exports()
