"""What the counts of tokens add up to, in cells and in filters."""

from typing import Any

import pytest

from lf_export_pipeline_tests.exporting import Project

pytestmark = [pytest.mark.services, pytest.mark.sampled]

MOST = 2**64 - 1
SUM = str(MOST + 1)
USAGE = {"input": MOST, "input_cached_tokens": 1, "output": MOST, "output_reasoning": 1}


@pytest.fixture
def of_two(project: Project) -> Project:
    """A call and a trace whose counts add up to 2 ** 64, in both sources."""
    project.add("traces", {"id": "a"}, {"id": "b"})
    project.add("observations", {"id": "x", "trace_id": "a", "usage_details": USAGE})
    project.add("observations", {"id": "y", "trace_id": "b", "usage_details": {"input": 1}})
    project.add("events_full", {"span_id": "x", "trace_id": "a", "usage_details": USAGE})
    project.add("events_full", {"span_id": "y", "trace_id": "b", "usage_details": {"input": 1}})
    return project


def more_than(column: str, value: int = 1) -> dict[str, Any]:
    return {"type": "number", "column": column, "operator": ">", "value": value}


@pytest.mark.parametrize("options", [{}, {"useEventsTable": True}], ids=["legacy", "events"])
@pytest.mark.parametrize("column", ["inputTokens", "outputTokens"])
def test_counts_of_an_observation_are_added_up_beyond_64_bits(
    of_two: Project, options: dict[str, Any], column: str
) -> None:
    row = of_two.export("observations", [more_than(column, MOST)], **options).row
    assert (row["id"], row["inputUsage"], row["outputUsage"]) == ("x", SUM, SUM)


@pytest.mark.parametrize("column", ["inputTokens", "outputTokens"])
def test_counts_of_a_trace_are_added_up_beyond_64_bits(of_two: Project, column: str) -> None:
    assert of_two.export("traces", [more_than(column, MOST)]).ids == ["a"]


def test_totals_of_a_trace_are_added_up_beyond_64_bits(project: Project) -> None:
    project.add("traces", {"id": "a"})
    for name in ("x", "y"):
        call = {"id": name, "trace_id": "a", "usage_details": {"total": MOST}}
        project.add("observations", call)
    assert project.export("traces", [more_than("totalTokens", MOST)]).ids == ["a"]
