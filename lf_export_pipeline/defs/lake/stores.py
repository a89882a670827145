"""The stores and the lake's settings, as a resource of the lake's own.

It needs no other resource, so that the lake can be a part of any code location.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg

from lf_export_pipeline.core.ports import RowReader
from lf_export_pipeline.defs.arrow_in_runs import leave_pandas_out
from lf_export_pipeline.defs.redacted import redact_unexpected_errors
from lf_export_pipeline.settings import Settings

if TYPE_CHECKING:
    from lf_export_pipeline.lake.opening import Lake

RESOURCE = "langfuse_lake"

LoadSettings = Callable[[], Settings]


@dataclass(frozen=True, slots=True)
class LakeStores:
    """What a step of the lake works with."""

    settings: Settings
    reader: RowReader

    def lake(self, **tags: str) -> "Lake":
        """The lake as of now; its queries carry these tags."""
        # With it comes Arrow, which loading definitions does not need.
        from lf_export_pipeline.lake.opening import open_lake  # noqa: PLC0415

        return open_lake(self.settings, self.reader.tagged(**tags), datetime.now(UTC))


@contextmanager
def open_stores(settings: Settings) -> Iterator[LakeStores]:
    """The stores, whose connections end with the context."""
    from lf_export_pipeline.adapters.clickhouse.clickhouse_reader import (  # noqa: PLC0415
        ClickHouseReader,
    )
    from lf_export_pipeline.adapters.postgres.database import LangfusePostgres  # noqa: PLC0415
    from lf_export_pipeline.adapters.statement_router import StatementRouter  # noqa: PLC0415

    leave_pandas_out()
    with (
        closing(ClickHouseReader(settings)) as clickhouse,
        closing(LangfusePostgres(settings)) as postgres,
    ):
        yield LakeStores(settings, StatementRouter(clickhouse, postgres.reader))


def stores_resource(load: LoadSettings) -> dg.ResourceDefinition:
    """The resource of a lake.

    Args:
        load: Reads the settings, in the process that runs a step.
    """

    @dg.resource(description="Langfuse's stores and the lake, as the environment names them.")
    def langfuse_lake(_: dg.InitResourceContext) -> Iterator[LakeStores]:
        with redact_unexpected_errors():
            settings = load()
        with open_stores(settings) as stores:
            yield stores

    return langfuse_lake
