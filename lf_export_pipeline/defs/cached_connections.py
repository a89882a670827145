"""What a code server keeps open from one tick to the next.

A sensor that takes its instance and its resources from Dagster has them opened for each tick, with
a dozen connections to Postgres: half of what a tick takes on a machine that is busy with runs.
"""

from functools import lru_cache
from typing import TYPE_CHECKING

import dagster as dg

from lf_export_pipeline.settings import Settings

if TYPE_CHECKING:
    from lf_export_pipeline.adapters.postgres.database import LangfusePostgres

_instances: dict[str, dg.DagsterInstance] = {}  # by reference; a code server has one


def cached_instance(context: dg.SensorEvaluationContext) -> dg.DagsterInstance:
    """The instance that a tick belongs to, opened by the first one; never closed before the end."""
    reference = context.instance_ref
    if reference is None:
        return context.instance
    known_as = dg.serialize_value(reference)
    if known_as not in _instances:
        _instances[known_as] = dg.DagsterInstance.from_ref(reference)
    return _instances[known_as]


@lru_cache(maxsize=1)
def cached_database(settings: Settings) -> "LangfusePostgres":
    """Langfuse's Postgres, whose connections stay open."""
    # With it comes SQLAlchemy, which loading the definitions does not need.
    from lf_export_pipeline.adapters.postgres.database import LangfusePostgres  # noqa: PLC0415

    return LangfusePostgres(settings)
