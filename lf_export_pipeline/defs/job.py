"""The job that makes one export, and where its steps run."""

from collections.abc import Callable, Mapping

import dagster as dg

from lf_export_pipeline.core.errors import ExportError
from lf_export_pipeline.defs.cached_connections import cached_database
from lf_export_pipeline.defs.ops.fail_export import fail_export
from lf_export_pipeline.defs.ops.notify_requester import notify_requester
from lf_export_pipeline.defs.ops.resolve_filters import resolve_filters
from lf_export_pipeline.defs.ops.serialize_chunk import serialize_chunk
from lf_export_pipeline.defs.ops.stream_chunks import stream_chunks
from lf_export_pipeline.defs.ops.upload_file import upload_file
from lf_export_pipeline.defs.ops.validate_export import validate_export
from lf_export_pipeline.lifecycle.partitions import EXPORTS
from lf_export_pipeline.lifecycle.run_records import JOB_NAME
from lf_export_pipeline.lifecycle.tags import tags_of
from lf_export_pipeline.settings import Settings

RETRIES = dg.RetryPolicy(
    max_retries=3, delay=2, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS
)


def tags_of_partition(export_id: str) -> dict[str, str]:
    """The tags of an export that is known by its id alone.

    Dagster asks for them wherever a run of a partition is made: by a backfill, in the launchpad, by
    a shell. It hands over no resources, so the row is read on a connection of its own, which stays
    open: a backfill asks for hundreds of partitions, one after the other. If that cannot be done,
    the run goes without: what keeps it from its tags will keep it from its data, and then the run
    says so better than a form in the UI.
    """
    try:
        row = cached_database(Settings.load()).exports.get(export_id)
    except ExportError:
        return {}
    return tags_of(row) if row else {}


# A partition has no configuration of its own, but the tags of its export.
PARTITION_CONFIG: dg.PartitionedConfig[dg.DynamicPartitionsDefinition] = dg.PartitionedConfig(
    partitions_def=EXPORTS,
    run_config_for_partition_key_fn=lambda _: {},
    tags_for_partition_key_fn=tags_of_partition,
)

DESCRIPTION = """\
Makes one export: reads a table of a Langfuse project and uploads it to the bucket as one file.

A partition is an export; its key is the id of the row in `batch_exports`. The sensor
`reconcile_exports` starts a run for each QUEUED row. To rerun failed exports, press *Launch
backfill* on the partitions page and select the failed partitions.
"""


@dg.graph(name=JOB_NAME)
def batch_export() -> None:
    """One row of ``batch_exports``: validate, read, write, upload, publish, notify."""
    query = resolve_filters(validate_export())
    plan, chunks = stream_chunks(query)
    serialized = chunks.map(lambda step: serialize_chunk(plan, step))
    notify_requester(upload_file(plan, serialized.collect()))


def batch_export_job(
    executor: str = "in_process", retries: dg.RetryPolicy | None = RETRIES
) -> dg.JobDefinition:
    """The job, with one of the ``EXECUTORS`` by name."""
    return batch_export.to_job(
        name=JOB_NAME,
        description=DESCRIPTION,
        config=PARTITION_CONFIG,
        executor_def=EXECUTORS[executor](),
        op_retry_policy=retries,
        hooks={fail_export},
    )


def _in_process() -> dg.ExecutorDefinition:
    return dg.in_process_executor


def _multiprocess() -> dg.ExecutorDefinition:
    """A forked step costs milliseconds once the server has imported this package."""
    preload = {"preload_modules": ["lf_export_pipeline.definitions"]}
    return dg.multiprocess_executor.configured({"start_method": {"forkserver": preload}})


def _celery() -> dg.ExecutorDefinition:
    from dagster_celery import celery_executor  # noqa: PLC0415 - an extra, only for who asks for it

    broker = {"env": "LF_EXPORT_CELERY_BROKER"}
    return celery_executor.configured({"broker": broker, "backend": broker})


def _k8s() -> dg.ExecutorDefinition:
    from dagster_k8s import k8s_job_executor  # noqa: PLC0415 - an extra, only for who asks for it

    return k8s_job_executor


EXECUTORS: Mapping[str, Callable[[], dg.ExecutorDefinition]] = {
    "in_process": _in_process,
    "multiprocess": _multiprocess,
    "celery": _celery,
    "k8s": _k8s,
}
