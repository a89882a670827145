"""What is known for certain about a finished file, for whoever has to prove it later."""

from functools import cache
from importlib.metadata import version
from typing import Any

from lf_export_pipeline.core.query.export_query import ExportPlan, StoredFile
from lf_export_pipeline.core.request.model import ExportRequest

VERSIONED = ("lf-export-pipeline", "dagster", "clickhouse-connect", "pyarrow", "boto3")


def manifest_of(stored: StoredFile, plan: ExportPlan) -> dict[str, Any]:
    """Rows, bytes, checksum, columns, question, cutoff and versions, as JSON.

    Of filters and searches the values stay out: they are texts of users and may be secrets; the
    row in ``batch_exports`` has them.
    """
    return {
        "rows": stored.rows,
        "rows_planned": plan.rows,
        "vanished_rows": stored.vanished_rows,
        "row_limit_hit": stored.limit_hit,
        "write_mode": stored.write_mode.value,
        "remark": stored.remark,
        "unfit_values": stored.unfit,
        "bytes": stored.bytes,
        "sha256": stored.sha256,
        "sha256_of_parts": stored.sha256_of_parts,
        "part_bytes": stored.part_bytes,
        "object_key": stored.object_key,
        "format": stored.request.format.value,
        "compression": stored.request.compression.value,
        "columns": [*(column.name for column in plan.query.columns), *plan.query.score_columns],
        "columns_left_out": list(stored.request.left_out),
        "columns_forbidden": list(stored.request.forbidden),
        "query": _question(stored.request),
        "cutoff": stored.request.created_at.isoformat(),
        "chunk_rows": list(plan.chunk_rows),
        "versions": dict(_versions()),
    }


def _question(request: ExportRequest) -> dict[str, Any]:
    query = request.query
    asked = query.model_dump(mode="json", exclude={"filter", "search_query", "options"})
    filters = [one.model_dump(mode="json", exclude={"value"}) for one in query.filter]
    return {**asked, "filter": filters, "is_search": bool(query.search_query)}


@cache
def _versions() -> tuple[tuple[str, str], ...]:
    return tuple((name, version(name)) for name in VERSIONED)
