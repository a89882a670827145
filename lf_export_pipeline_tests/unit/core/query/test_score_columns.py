from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lf_export_pipeline.core.errors import InvalidFilterError
from lf_export_pipeline.core.query.export_query import Answers, LookupScope
from lf_export_pipeline.core.query.newest_scores import newest_scores
from lf_export_pipeline.core.query.score_columns import (
    ScoreGroups,
    score_cells_lookup,
    score_headers,
)
from lf_export_pipeline.core.query.score_names import (
    NAMES_ANSWER,
    score_names,
    score_names_statement,
)
from lf_export_pipeline.core.query.statement import Params, Store
from lf_export_pipeline.core.request.admission import ExportLimits

CUTOFF = datetime(2031, 3, 20, 12, tzinfo=UTC)
BASE = ("id", "name", "input")


@pytest.mark.parametrize(
    ("names", "headers"),
    [
        (["quality"], ["quality"]),
        (["name"], ["scores.name"]),
        (["Name", "name "], ["Name", "name "]),
        (["id", "scores.id"], ["scores.id", "scores.scores.id"]),
        (["scores.id", "id"], ["scores.id", "scores.scores.id"]),
        (["__proto__", "42", ""], ["__proto__", "42", ""]),
    ],
)
def test_a_score_named_like_a_column_moves_aside(names: list[str], headers: list[str]) -> None:
    assert list(score_headers(names, BASE)) == headers


@given(
    st.lists(
        st.one_of(st.text(max_size=3), st.sampled_from(BASE).map(lambda name: f"scores.{name}")),
        unique=True,
    )
)
def test_headers_are_unique_and_never_those_of_columns(names: list[str]) -> None:
    headers = score_headers(names, BASE)
    assert len(headers) == len(names)
    assert len({*headers, *BASE}) == len(headers) + len(BASE)
    assert all(header.endswith(name) for header, name in zip(headers, names, strict=True))


def test_ten_thousand_names_are_as_many_headers() -> None:
    names = [f"score {number}" for number in range(10_000)]
    assert list(score_headers(names, BASE)) == names


def test_names_are_read_from_their_answer() -> None:
    assert score_names({NAMES_ANSWER: [("a",), ("42",)]}, ExportLimits()) == ("a", "42")


@pytest.mark.parametrize(
    ("names", "fits"),
    [
        ([f"{at:035d}" for at in range(500)], True),
        (["n" * 65_528], True),
        (["n" * 65_529], False),
        (["é" * 32_765], False),
        ([str(at) for at in range(10_000)], False),
        ([f"{at:02000d}" for at in range(500)], False),
    ],
)
def test_names_that_would_make_every_row_too_wide_are_refused(names: list[str], fits: bool) -> None:
    answers: Answers = {NAMES_ANSWER: [(name,) for name in names]}
    if fits:
        assert score_names(answers, ExportLimits()) == tuple(names)
        return
    with pytest.raises(InvalidFilterError, match=r"more than 65,536 bytes.*_SCORE_COLUMNS_MAX_KIB"):
        score_names(answers, ExportLimits())


def test_names_are_asked_for_up_to_the_cutoff_and_an_hour_before_the_lower_bound() -> None:
    lower = datetime(2031, 3, 1, 0, 30, tzinfo=UTC)
    open_ended = score_names_statement("project", CUTOFF, None)
    bounded = score_names_statement("project", CUTOFF, lower, Store.EVENTS)
    assert (open_ended.store, bounded.store) == (Store.CLICKHOUSE, Store.EVENTS)
    assert set(open_ended.params.values()) == {
        "project",
        "2031-03-20 12:00:00.000",
        64 * 1024,
    }
    assert set(bounded.params.values()) - set(open_ended.params.values()) == {
        "2031-02-28 23:30:00.000"
    }
    assert "CORRECTION" not in open_ended.sql


def test_the_cells_of_a_chunk_are_looked_up_at_once_by_bound_names() -> None:
    params = Params()
    project = params.bind("project", "String")
    groups = ScoreGroups(
        newest_scores(project, "trace_id", "t.trace_id = '1'"), "trace_id", ("trace_id",)
    )
    lookup = score_cells_lookup(groups.entries(), ["quality'", "id"], params)
    assert lookup.scope is LookupScope.CHUNK
    assert "quality" not in lookup.statement.sql
    assert '["quality\'", "id"]' in lookup.statement.params.values()
