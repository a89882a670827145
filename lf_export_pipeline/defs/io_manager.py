"""Hands the small values of the ops on through the spool, as JSON that a person can read."""

import dagster as dg
from pydantic import TypeAdapter

from lf_export_pipeline.core.errors import PermanentError
from lf_export_pipeline.core.ports import Spool
from lf_export_pipeline.defs.redacted import (
    permanent_errors_end_the_step,
    redact_unexpected_errors,
)
from lf_export_pipeline.file.attempt_folder import VALUES, AttemptFolder
from lf_export_pipeline.lifecycle.run_records import root_run_id


class SpoolIOManager(dg.IOManager):
    """Stores each output as ``values/<run id>/<step>.<output>.json`` in the attempt's folder.

    A re-executed run is given the id of the run that made a value, and finds it there.
    """

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        """Write one value; what an op without a result returns is nothing to keep."""
        if obj is None and context.dagster_type.is_nothing:
            return
        with (
            permanent_errors_end_the_step(),
            redact_unexpected_errors(),
            self._spool.create(_path(self._folder(context), context)) as file,
        ):
            file.write(_adapter(context).dump_json(obj))

    def load_input(self, context: dg.InputContext) -> object:
        """Read one value, as the type that its op declares."""
        source = context.upstream_output
        if source is None:
            message = "Every input of this job is another op's output."
            raise dg.DagsterInvariantViolationError(message)
        path = _path(self._folder(context), source)
        with permanent_errors_end_the_step(), redact_unexpected_errors():
            if not self._spool.exists(path):
                message = "The intermediate files of this export are gone. Please start it again."
                raise PermanentError(message)
            with self._spool.open(path) as file:
                return _adapter(source).validate_json(file.read())

    def _folder(self, context: dg.InputContext | dg.OutputContext) -> AttemptFolder:
        run = context.step_context.dagster_run
        return AttemptFolder.of(self._spool, context.partition_key, root_run_id(run))


def _path(folder: AttemptFolder, output: dg.OutputContext) -> str:
    mapped = f".{output.mapping_key}" if output.mapping_key else ""
    return f"{folder.path}/{VALUES}/{output.run_id}/{output.step_key}.{output.name}{mapped}.json"


def _adapter(output: dg.OutputContext) -> TypeAdapter[object]:
    return TypeAdapter(output.dagster_type.typing_type)
