"""What a run is about and what came out of it, for whoever looks at its page in Dagster's UI.

Of filters and searches the values stay out, as in the manifest: they are texts of users.
"""

from collections.abc import Mapping

import dagster as dg

from lf_export_pipeline.core.markdown import markdown_table
from lf_export_pipeline.core.query.export_query import StoredFile
from lf_export_pipeline.core.request.filters import Filter
from lf_export_pipeline.core.request.model import ExportRequest
from lf_export_pipeline.core.request.validation_messages import join_limited
from lf_export_pipeline.defs.progress_format import duration
from lf_export_pipeline.notify.channels import exports_link, size_text

FILTERS_MAX = 20
FILTER_MAX_CHARACTERS = 60

Metadata = Mapping[str, dg.MetadataValue]


def requested(request: ExportRequest, nextauth_url: str | None) -> Metadata:
    """Who asked for what; known as soon as the row is read. Dagster's log shows some six lines.

    Args:
        request: The export.
        nextauth_url: Langfuse's address, for a link to the page where the user finds the file.
    """
    text, query = dg.MetadataValue.text, request.query
    return {
        "name": text(request.name),
        "user": text(request.user_id),
        "project": text(request.project_id),
        "table": text(f"{query.table} as {request.format_text}"),
        "filters": text(filters_text(request)),
        **({"without": text(left_out_text(request))} if request.left_out else {}),
        **_page(request, nextauth_url),
        "rows_before": text(f"{request.created_at:%Y-%m-%d %H:%M:%S} UTC"),
    }


def made(stored: StoredFile, waited: float, nextauth_url: str | None) -> Metadata:
    """The whole story as one table, and the link.

    Args:
        stored: The file.
        waited: Seconds in the queue.
        nextauth_url: As above.
    """
    request = stored.request
    cut = ", cut at the limit" if stored.limit_hit else ""
    lines = (
        ("export", f"{request.name} ({request.export_id})"),
        ("user", request.user_id),
        ("project", request.project_id),
        ("table", f"{request.query.table} as {request.format_text}"),
        ("filters", filters_text(request)),
        *([("without", left_out_text(request))] if request.left_out else []),
        ("rows", f"{stored.rows:,}{cut}"),
        ("size", size_text(stored.bytes)),
        ("file", stored.object_key.rpartition("/")[2]),
        ("waited", duration(waited)),
        ("link until", f"{stored.expires_at:%Y-%m-%d %H:%M} UTC"),
        *([("remark", stored.remark)] if stored.remark else []),
    )
    table = markdown_table(("what", "value"), lines)
    return {"summary": dg.MetadataValue.md(table), **_page(request, nextauth_url)}


def filters_text(request: ExportRequest) -> str:
    """``latency >, name contains; search``: on which columns, and how."""
    filters = request.query.filter
    named = [_filter_text(one) for one in filters[:FILTERS_MAX]]
    more = [f"{len(filters) - FILTERS_MAX:,} more"] if len(filters) > FILTERS_MAX else []
    search = ["a search"] if request.query.search_query else []
    return ", ".join([*named, *more, *search]) or "none"


def left_out_text(request: ExportRequest) -> str:
    """The columns that are not in the file, as many as one reads; the manifest has all."""
    return join_limited(request.left_out)


def _filter_text(one: Filter) -> str:
    return f"{one.column} {one.operator}"[:FILTER_MAX_CHARACTERS]


def _page(request: ExportRequest, nextauth_url: str | None) -> Metadata:
    link = exports_link(nextauth_url, request.project_id)
    return {"exports_page": dg.MetadataValue.url(link)} if link else {}
