"""Sets the row FAILED when a step has failed and no retry is left."""

import dagster as dg

from lf_export_pipeline.lifecycle.failure import failure_of, set_failed, user_message_of
from lf_export_pipeline.lifecycle.notices import owe_failure
from lf_export_pipeline.lifecycle.run_records import export_id_of, record_failure


@dg.failure_hook(required_resource_keys={"export_rows"})
def fail_export(context: dg.HookContext) -> None:
    """Write the user's sentence to the row, also if the database is away for some seconds.

    A hook rather than a handler in each op: it runs only after the last retry, and also when a
    value could not be loaded or stored, which happens outside of any op's body. A run that is
    killed runs no hooks; the sensor then sets the row. If another run of the export goes on or has
    taken it, or somebody has queued it again, the row is not this run's to set.
    """
    run, rows = context.instance.get_run_by_id(context.run_id), context.resources.export_rows
    if run is None:
        return
    user_message = user_message_of(context.op_exception)
    try:
        owe_failure(context.instance, run.run_id)
    finally:  # the row can be set also where Dagster's records cannot be written
        if set_failed(context.instance, run, rows, user_message):
            record_failure(context.instance, run.run_id, failure_of(context.op_exception))
            context.log.error("Export %s set FAILED: %s", export_id_of(run), user_message)
