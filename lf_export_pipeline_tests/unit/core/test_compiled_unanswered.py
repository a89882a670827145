"""What is wrong with a request and can be known before any store is asked."""

from typing import Any

import pytest

from lf_export_pipeline.core.errors import InvalidFilterError
from lf_export_pipeline.core.parsing import compiled_unanswered, parse_request
from lf_export_pipeline.core.request.model import ExportRequest
from lf_export_pipeline.core.tables import table_names
from lf_export_pipeline_tests.unit.core.test_parsing import MINIMAL, stored

TABLES = sorted(set(table_names()) - {"numbers"})
UNKNOWN = {"type": "string", "column": "colour", "operator": "=", "value": "green"}
COMMENT = {"type": "string", "column": "commentContent", "operator": "contains", "value": "x"}
BOOKMARKED = {"type": "boolean", "column": "bookmarked", "operator": "=", "value": True}


def request_for(table: str, *filters: dict[str, Any], **query: Any) -> ExportRequest:
    return parse_request(stored({**MINIMAL, "tableName": table, "filter": [*filters], **query}))


@pytest.mark.parametrize("events", [False, True])
@pytest.mark.parametrize("table", TABLES)
def test_a_sound_request_is_compilable_without_a_store(table: str, events: bool) -> None:
    compiled_unanswered(request_for(table, useEventsTable=events))


@pytest.mark.parametrize("table", TABLES)
def test_a_column_that_no_table_has_is_refused(table: str) -> None:
    with pytest.raises(InvalidFilterError, match="colour"):
        compiled_unanswered(request_for(table, UNKNOWN))


def test_a_filter_on_comments_hides_no_other() -> None:
    compiled_unanswered(request_for("traces", COMMENT))
    with pytest.raises(InvalidFilterError, match="colour"):
        compiled_unanswered(request_for("traces", COMMENT, UNKNOWN))


def test_what_the_rows_would_answer_is_left_to_the_run() -> None:
    compiled_unanswered(request_for("sessions", BOOKMARKED, COMMENT))
