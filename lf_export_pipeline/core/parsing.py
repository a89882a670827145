"""From a stored row to a request that is known to be sound."""

from collections import defaultdict
from collections.abc import Mapping
from difflib import get_close_matches

from pydantic import ValidationError

from lf_export_pipeline.core.errors import InvalidQueryError
from lf_export_pipeline.core.query.export_query import ExportQuery
from lf_export_pipeline.core.request.admission import ExportLimits, require_bounded_query
from lf_export_pipeline.core.request.column_groups import SCORES, TableColumns
from lf_export_pipeline.core.request.file_defaults import FileDefaults
from lf_export_pipeline.core.request.model import (
    ID_MAX_CHARACTERS,
    PAGING_KEYS,
    BatchExportQuery,
    ExportFormat,
    ExportRequest,
    OrderBy,
    StoredExport,
)
from lf_export_pipeline.core.request.options import Compression, ExportOptions
from lf_export_pipeline.core.request.validation_messages import (
    join_limited,
    message_of,
    quote_value,
)
from lf_export_pipeline.core.tables import table_names, table_source

_QUERY_KEYS = (
    *(field.alias or name for name, field in BatchExportQuery.model_fields.items()),
    *PAGING_KEYS,
)

_DEFAULT_LIMITS = ExportLimits()
_DEFAULTS = FileDefaults()


def parse_request(
    row: StoredExport,
    limits: ExportLimits = _DEFAULT_LIMITS,
    defaults: FileDefaults = _DEFAULTS,
) -> ExportRequest:
    """The request that a stored row makes.

    Args:
        row: The row.
        limits: What its query may hold.
        defaults: How the file is written where the row does not say so, and what it may not hold.

    Raises:
        InvalidQueryError: It makes none; the message is one line that names the field, shows the
            value and says what was expected.
    """
    query = _query(row.query, limits)
    export_format = _format_of_file(_format(row.format), query.options, row.project_id, defaults)
    columns = _columns_of(query.table)
    forbidden = defaults.forbidden.of(row.project_id)
    left_out = columns.left_out(query.options) | forbidden
    columns.require_some(left_out, forbidden)
    order = _order_by(query.order_by, columns, forbidden)
    return ExportRequest(
        export_id=_export_id(row.id),
        project_id=_project_id(row.project_id),
        user_id=row.user_id,
        name=row.name,
        created_at=row.created_at,
        format=export_format,
        query=query.model_copy(update={"order_by": order}),
        compression=_compression(export_format, query.options, defaults),
        csv=defaults.csv,
        left_out=columns.in_order(left_out),
        forbidden=columns.in_order(forbidden),
        is_unordered=order is not query.order_by,
    )


def compiled_unanswered(
    request: ExportRequest, limits: ExportLimits = _DEFAULT_LIMITS
) -> ExportQuery:
    """The reading of an export as it is before any store is asked: without names of scores.

    What depends on rows is found by the run alone.

    Raises:
        PermanentError: The sentence that a run would end with.
    """
    table = table_source(request.query.table)
    table.preflight_queries(request, limits)
    # Not an empty list by each name: no id for a filter on comments would end it before the others.
    unanswered: defaultdict[str, list[tuple[object, ...]]] = defaultdict(list)
    query = table.compile(request, unanswered, limits)
    query.require_short_sql()
    return query


def _project_id(value: str) -> str:
    """Any id but an empty one: Dagster has it in tags only, and there it is made fit."""
    if not value:
        raise InvalidQueryError("The project id is empty.")
    return value


def _export_id(value: str) -> str:
    """The id, if Dagster can carry it: it is a partition key, and the UI splits those at commas."""
    if not value:
        raise InvalidQueryError("The export id is empty.")
    if len(value) > ID_MAX_CHARACTERS:
        raise InvalidQueryError(
            f"The export id {quote_value(value)} has {len(value)} characters; "
            f"expected at most {ID_MAX_CHARACTERS}."
        )
    if "," in value or not value.isprintable():
        raise InvalidQueryError(
            f"The export id {quote_value(value)} holds a comma or a control character; "
            "expected neither."
        )
    return value


def _format(value: str) -> ExportFormat:
    try:
        return ExportFormat(value)
    except ValueError:
        raise InvalidQueryError(
            f"The format {quote_value(value)} is not known; "
            f"expected one of {join_limited(list(ExportFormat))}."
        ) from None


def _format_of_file(
    requested: ExportFormat, options: ExportOptions, project_id: str, defaults: FileDefaults
) -> ExportFormat:
    """What was requested, save that the dialog's JSONL can mean Parquet.

    Whoever asks for a compression wants lines of JSON, and has not used the dialog.
    """
    of_dialog = requested is ExportFormat.JSONL and options.compression is None
    return ExportFormat.PARQUET if of_dialog and defaults.are_parquet(project_id) else requested


def _compression(
    export_format: ExportFormat, options: ExportOptions, defaults: FileDefaults
) -> Compression:
    """How the file as a whole is compressed.

    Raises:
        InvalidQueryError: It cannot be.
    """
    if export_format.is_text:
        return options.compression or defaults.compression
    if options.compression is Compression.GZIP:
        raise InvalidQueryError(
            "A Parquet file cannot be compressed with gzip: its columns are compressed already, "
            "with zstd. Please leave the compression out."
        )
    return Compression.NONE


def _columns_of(name: str) -> TableColumns:
    table = table_source(name)
    names = tuple(column.name for column in table.columns)
    return TableColumns(name, names, table.has_score_columns)


def _order_by(
    wanted: OrderBy | None, columns: TableColumns, forbidden: frozenset[str]
) -> OrderBy | None:
    """The order of the file, unless rows in that order could tell about forbidden values.

    Where some of its columns are forbidden, an order is kept by what the file may hold, and by
    nothing else: one column has many names, and other things to order by are made of it.
    """
    if wanted is None:
        return None
    asked, words = _word(wanted.column), {_word(name) for name in forbidden}
    tells = asked in words or (SCORES in forbidden and "score" in asked)
    if columns.in_order(forbidden):
        tells = tells or asked not in {_word(name) for name in columns.names}
    return None if tells else wanted


def _word(name: str) -> str:
    """A column's name without what differs where Langfuse's pages name it: ``Trace Tags``."""
    return "".join(filter(str.isalnum, name)).lower()


def _query(stored: object, limits: ExportLimits) -> BatchExportQuery:
    require_bounded_query(stored, limits)
    if not isinstance(stored, Mapping):
        raise InvalidQueryError(f"The stored query is {quote_value(stored)}; expected an object.")
    _check_table(stored.get("tableName"))
    try:
        return BatchExportQuery.model_validate({k: stored[k] for k in _QUERY_KEYS if k in stored})
    except ValidationError as error:
        raise InvalidQueryError(message_of(error, stored)) from None


def _check_table(name: object) -> None:
    """Refuse a table that nobody exports; a missing or misshapen name is left to the model."""
    if name == "datasets":
        raise InvalidQueryError("datasets cannot be exported; its items can, as dataset_items.")
    if isinstance(name, str) and name not in table_names():
        close = get_close_matches(name[:80], table_names(), n=1)
        meant = f" Did you mean {close[0]}?" if close else ""
        raise InvalidQueryError(
            f"The table {quote_value(name)} cannot be exported; "
            f"expected one of {join_limited(table_names())}.{meant}"
        )
