"""Sets the row FAILED when a step has failed and no retry is left."""

from datetime import UTC, datetime

import dagster as dg

from lf_export_pipeline.core.errors import GENERIC_SENTENCE, ExportError
from lf_export_pipeline.runs import asked_at, export_id_of, has_live_sibling


@dg.failure_hook(required_resource_keys={"export_rows"})
def fail_export(context: dg.HookContext) -> None:
    """Write the user's sentence to the row.

    A hook rather than a handler in each op: it runs only after the last retry, and also when a
    value could not be loaded or stored, which happens outside of any op's body. A run that is
    killed runs no hooks; ``runs_that_failed`` is the net below. If another run of the export goes
    on, or somebody has queued it again, the row is not this run's to set.
    """
    run = context.instance.get_run_by_id(context.run_id)
    export_id = export_id_of(run) if run else None
    if run is None or export_id is None or has_live_sibling(context.instance, run):
        return
    sentence, asked = sentence_of(context.op_exception), asked_at(context.instance, run)
    if context.resources.export_rows.fail(export_id, sentence, datetime.now(UTC), asked):
        context.log.error("Export %s is FAILED: %s", export_id, sentence)


def sentence_of(error: BaseException | None) -> str:
    """What the user reads; the nearest error that was raised on purpose has the word."""
    while error is not None:
        if isinstance(error, ExportError):
            return error.sentence
        error = error.__cause__
    return GENERIC_SENTENCE
