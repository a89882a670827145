"""Observations: from the tables ``observations`` and ``traces``, or from ``events_full``."""

from collections.abc import Mapping

from lf_export_pipeline.core.query.export_query import Answers, ExportQuery
from lf_export_pipeline.core.query.statement import Statement
from lf_export_pipeline.core.request.admission import ExportLimits
from lf_export_pipeline.core.request.model import ExportRequest
from lf_export_pipeline.core.tables import TableSource, register
from lf_export_pipeline.core.tables.observations_events import ObservationsFromEvents
from lf_export_pipeline.core.tables.observations_legacy import LegacyObservations


class Observations:
    """One row per observation; the request says which of the two sources the user looked at."""

    name = "observations"
    reads = tuple(sorted({*LegacyObservations.reads, *ObservationsFromEvents.reads}))
    columns = LegacyObservations.columns
    has_score_columns = True
    window_column = LegacyObservations.window_column  # spans call it by the same names

    def preflight_queries(
        self, request: ExportRequest, limits: ExportLimits
    ) -> Mapping[str, Statement]:
        """What the source needs to know first."""
        return _source(request).preflight_queries(request, limits)

    def compile(
        self, request: ExportRequest, answers: Answers, limits: ExportLimits
    ) -> ExportQuery:
        """The reading from the source."""
        return _source(request).compile(request, answers, limits)


def _source(request: ExportRequest) -> TableSource:
    return ObservationsFromEvents() if request.query.use_events_table else LegacyObservations()


register(Observations())
