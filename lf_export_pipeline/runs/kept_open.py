"""What a code server keeps open from one tick to the next.

A sensor that takes its instance and its resources from Dagster has them opened for each tick, with
a dozen connections to Postgres: half of what a tick takes on a machine that is busy with runs.
"""

from functools import lru_cache

import dagster as dg
from dagster._core.instance.ref import InstanceRef

from lf_export_pipeline.resources.database import LangfusePostgres
from lf_export_pipeline.settings import Settings


def kept_instance(context: dg.SensorEvaluationContext) -> dg.DagsterInstance:
    """The instance that a tick belongs to, opened by the first one; never closed before the end."""
    reference = context.instance_ref
    return context.instance if reference is None else _instance(dg.serialize_value(reference))


@lru_cache(maxsize=1)
def kept_database(settings: Settings) -> LangfusePostgres:
    """Langfuse's Postgres, whose connections stay open."""
    return LangfusePostgres(settings)


@lru_cache(maxsize=1)
def _instance(reference: str) -> dg.DagsterInstance:
    return dg.DagsterInstance.from_ref(dg.deserialize_value(reference, InstanceRef))
