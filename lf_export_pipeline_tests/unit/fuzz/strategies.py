"""Stored exports as an attacker, or a bug in the web app, would write them."""

from typing import Any

from hypothesis import strategies as st

from lf_export_pipeline.core.tables import table_names

MARKER = "hostile7f3a"
ATTACKS = (
    "' OR 1 = 1 --", '" OR "1" = "1', "\\' OR '1", "') UNION ALL SELECT * FROM traces --",
    "`; DROP TABLE traces; --", "{p0:String}", ":project_id", "%(x)s", "/*keys:t.id*/", "\\",
    "\x00", "\r\nBcc: all@example.test", "\n\n<script>", "../../etc/passwd", "..", "a/b",
    "=cmd|' /C calc'!A0", "%0d%0aX-Evil: 1", "\u202e", "\u2028", "\x7f", "{{7*7}}", "${x}", "😀",
)  # fmt: skip
ODD_IDS = (
    "", ".", "..", "...", "a...b", "a,b", "-", " ", "x" * 200, "x" * 201, "é" * 5_000, "😀" * 200,
    "%2e%2e%2f", "a:1", '"a"', "\ud800",
)  # fmt: skip
KINDS = (
    "datetime", "string", "number", "stringOptions", "categoryOptions", "arrayOptions",
    "stringObject", "numberObject", "booleanObject", "boolean", "null", "positionInTrace",
)  # fmt: skip
OPERATORS = (
    "=", "<>", ">", "<", ">=", "<=", "contains", "does not contain", "starts with", "ends with",
    "any of", "none of", "all of", "is null", "is not null", "' OR 1",
)  # fmt: skip
COLUMNS = (
    "id", "name", "timestamp", "userId", "metadata", "tags", "traceTags", "scores_avg", "latency",
    "score_categories", "totalCost", "level", "version", "environment", "commentContent",
    "commentCount", "startTime", "Trace ID", "bookmarked", "sessionId", "input", "source", "value",
)  # fmt: skip

hostile = st.builds(
    lambda before, attack, after: f"{before}{MARKER}{attack}{after}",
    st.text(max_size=5),
    st.sampled_from(ATTACKS),
    st.text(max_size=5),
)
any_text = st.one_of(hostile, st.text(max_size=20), st.text(st.characters(), max_size=10))
any_id = any_text | st.sampled_from(ODD_IDS)
# A text column of Postgres holds neither NUL nor halves of characters.
stored_text = any_text.map(
    lambda text: text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
)
any_json: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=6,
)
values = st.one_of(
    any_text,
    st.integers(),
    st.booleans(),
    st.lists(any_text, max_size=3),
    st.just("2031-03-01T00:00:00.000Z"),
    any_json,
)
likely_filters = st.fixed_dictionaries(
    {
        "type": st.sampled_from(KINDS),
        "column": st.sampled_from(COLUMNS) | any_text,
        "operator": st.sampled_from(OPERATORS),
        "value": values,
    },
    optional={"key": any_text},
)
likely_queries = st.fixed_dictionaries(
    {
        "tableName": st.sampled_from(table_names()),
        "filter": st.none() | st.lists(likely_filters, max_size=3),
        "orderBy": st.none()
        | st.fixed_dictionaries(
            {
                "column": st.sampled_from(COLUMNS) | any_text,
                "order": st.sampled_from(["ASC", "DESC", "ASC; DROP"]),
            }
        ),
    },
    optional={
        "searchQuery": any_text,
        "searchType": st.lists(st.sampled_from(["id", "content", "input", "output"]), max_size=2),
        "useEventsTable": st.booleans(),
    },
)
queries = likely_queries | any_json
