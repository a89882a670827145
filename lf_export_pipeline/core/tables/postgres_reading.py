"""Reading tables of Postgres: scan the ids once, then fetch rows by id, in the scan's order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lf_export_pipeline.core.query.chosen_columns import chosen_columns
from lf_export_pipeline.core.query.columns import JSON_FLAG_SUFFIX, OutputColumn
from lf_export_pipeline.core.query.export_query import Answers, ExportQuery
from lf_export_pipeline.core.query.expressions import LEVELS_MAX
from lf_export_pipeline.core.query.postgres_filters import (
    PostgresFilters,
    PostgresParams,
    bound_instant,
)
from lf_export_pipeline.core.query.statement import Statement, Store, StoredTable, stored_in
from lf_export_pipeline.core.request.admission import ExportLimits
from lf_export_pipeline.core.request.model import ExportRequest
from lf_export_pipeline.core.request.windowed_query import WindowColumn
from lf_export_pipeline.core.tables import NoPreflight

_CREATED_AT = "t.created_at"
_ROW_OVERHEAD_BYTES = 300  # ids, instants and separators

_DEEP = f'strict $.**{{{LEVELS_MAX}}} ? (@.type() == "array" || @.type() == "object")'
_COMPACT = r"""regexp_replace(CAST({column} AS text), '("(?:[^"\\]|\\.)*")|([,:]) ', '\1\2', 'g')"""


@dataclass(frozen=True, slots=True)
class PostgresTable(NoPreflight):
    """A ``TableSource`` whose rows are exported as they are, read by id through the alias ``t``."""

    name: str
    columns: tuple[OutputColumn, ...]
    is_current: str  # the condition that a row is one that users see; at most one per id
    order: str  # over ``t``; the id breaks ties
    filters: PostgresFilters
    fields: Mapping[str, str]  # Arrow field ← expression
    joins: str = ""
    joined: tuple[str, ...] = ()  # the tables of ``joins``
    long_columns: Sequence[str] = ()

    @property
    def reads(self) -> tuple[StoredTable, ...]:
        """The table itself and those that are joined."""
        return stored_in(Store.POSTGRES, self.name, *self.joined)

    @property
    def window_column(self) -> WindowColumn:
        """When a row was made, which the cutoff is about, too."""
        return WindowColumn(self.filters.names_of(_CREATED_AT))

    def compile(
        self,
        request: ExportRequest,
        answers: Answers,  # noqa: ARG002 - nothing was asked
        limits: ExportLimits,
    ) -> ExportQuery:
        """The scan of the ids, and the reading by them.

        Raises:
            InvalidFilterError: A filter cannot be applied.
        """
        chosen = chosen_columns(request, self.columns, ())
        fields = chosen.fields(self.fields)
        sampled = chosen.sampled(self.long_columns, fields)
        return ExportQuery(
            request=request,
            columns=chosen.columns,
            key_scan=self.key_scan(request, limits),
            chunk_rows=self.chunk_rows(request.project_id, fields),
            sample=self.row_size_sample(request.project_id, sampled),
            row_limit=limits.row_limit,
        )

    def key_scan(self, request: ExportRequest, limits: ExportLimits) -> Statement:
        """The ids of the rows, in the order of the file, one row above the limit.

        Raises:
            InvalidFilterError: A filter cannot be applied.
        """
        params = PostgresParams({"project_id": request.project_id})
        conditions = [
            "t.project_id = :project_id",
            self.is_current,
            f"{_CREATED_AT} < {bound_instant(request.created_at, params)}",
            *self.filters.compile(request.query.filter, params),
        ]
        sql = (
            f"SELECT t.id AS key FROM {self.name} AS t\nWHERE {' AND '.join(conditions)}\n"
            f"ORDER BY {self.order}, t.id\nLIMIT {limits.row_limit + 1}"
        )
        return Statement(store=Store.POSTGRES, sql=sql, params=params.values)

    def chunk_rows(self, project_id: str, fields: Mapping[str, str]) -> Statement:
        """Some of ``fields`` of the rows with the ids ``:keys``, in the order of the scan.

        A join with the list of ids would tell the order, too, but without statistics Postgres may
        choose a nested loop for it, which takes minutes for 30,000 ids.
        """
        columns = ",\n".join(f'{sql} AS "{name}"' for name, sql in fields.items())
        sql = (
            f"SELECT {columns}\nFROM {self.name} AS t {self.joins}\n"
            f"WHERE t.project_id = :project_id AND t.id = ANY(CAST(:keys AS text[]))\n"
            f"AND {self.is_current}\nORDER BY {self.order}, t.id"
        )
        return Statement(store=Store.POSTGRES, sql=sql, params={"project_id": project_id})

    def row_size_sample(self, project_id: str, columns: Sequence[str]) -> Statement:
        """``row_bytes``: the mean size of the rows of a chunk."""
        lengths = [f"coalesce(octet_length(CAST({each} AS text)), 0)" for each in columns]
        size = " + ".join([str(_ROW_OVERHEAD_BYTES), *lengths])
        sql = (
            f"SELECT CAST(avg({size}) AS float8) AS row_bytes FROM {self.name} AS t "
            "WHERE t.project_id = :project_id AND t.id = ANY(CAST(:keys AS text[]))"
        )
        return Statement(store=Store.POSTGRES, sql=sql, params={"project_id": project_id})


def json_or_text(column: str, name: str) -> dict[str, str]:
    """The two Arrow fields of a ``jsonb`` column: a JSON string is its text, null is NULL.

    Numbers keep all their digits. Postgres writes a space after each comma and colon; JavaScript
    does not, so they are taken out, except within strings.
    """
    kind = f"jsonb_typeof({column})"
    compact = _COMPACT.format(column=column)
    text = (
        f"CASE {kind} WHEN 'string' THEN {column} #>> '{{}}' "
        f"WHEN 'null' THEN NULL ELSE {compact} END"
    )
    is_json = (
        f"coalesce({kind} NOT IN ('string', 'null') "
        f"AND NOT (octet_length(CAST({column} AS text)) > {2 * LEVELS_MAX} "
        f"AND jsonb_path_exists({column}, '{_DEEP}')), FALSE)"
    )
    return {name: text, f"{name}{JSON_FLAG_SUFFIX}": is_json}
