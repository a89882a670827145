"""The response headers by which ClickHouse tells about a query and its output."""

import json
from dataclasses import asdict
from typing import Final

from lf_export_localstack.clickhouse_server.http_query import Query
from lf_export_localstack.clickhouse_server.native import Counters
from lf_export_localstack.clickhouse_server.running_query import RunningQuery

_CONTENT_TYPES: Final = (
    ("JSONEachRow", "application/x-ndjson; charset=UTF-8"),
    ("JSON", "application/json; charset=UTF-8"),
    ("CSVWithNames", "text/csv; charset=UTF-8; header=present"),
    ("CSV", "text/csv; charset=UTF-8; header=absent"),
    ("TabSeparated", "text/tab-separated-values; charset=UTF-8"),
    ("TSV", "text/tab-separated-values; charset=UTF-8"),
    ("Pretty", "text/plain; charset=UTF-8"),
    ("Vertical", "text/plain; charset=UTF-8"),
    ("XML", "application/xml; charset=UTF-8"),
    ("Arrow", "application/vnd.apache.arrow.stream"),
)


def query_headers(query: Query, counters: Counters) -> dict[str, str]:
    """Gives the headers of every successful answer.

    Args:
        query: the one that is answered.
        counters: as far as they are known: a streamed answer begins before the query has ended.
    """
    return {
        "X-ClickHouse-Summary": json.dumps({k: str(v) for k, v in asdict(counters).items()}),
        "X-ClickHouse-Query-Id": query.query_id,
        "X-ClickHouse-Timezone": query.settings.get("session_timezone") or "UTC",
        "Transfer-Encoding": "chunked",
    }


def output_headers(running: RunningQuery, encoding: str | None, tag: str) -> dict[str, str]:
    """Gives the headers that describe an output.

    Without output there is no format either: by this a client tells a statement from a query.

    Args:
        running: the query.
        encoding: of the content, None for none.
        tag: announces what marks an exception in mid-stream.
    """
    headers = {"X-ClickHouse-Exception-Tag": tag}
    if running.has_output:
        headers["X-ClickHouse-Format"] = running.format
        headers["Content-Type"] = _content_type(running.format)
    if encoding is not None:
        headers["Content-Encoding"] = encoding
    return headers


def _content_type(format_name: str) -> str:
    found = (kind for prefix, kind in _CONTENT_TYPES if format_name.startswith(prefix))
    return next(found, "application/octet-stream")
