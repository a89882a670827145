"""Filters on traces that look at what their observations add up to."""

import operator
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from lf_export_pipeline_tests.exporting import Project, where
from lf_export_pipeline_tests.integration.core.conftest import NewProject

pytestmark = [pytest.mark.services, pytest.mark.sampled]

START = datetime(2031, 3, 1, 23, 59, 50, tzinfo=UTC)
LEVELS = ("DEBUG", "DEFAULT", "WARNING", "ERROR")
COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}


@dataclass(frozen=True)
class Observation:
    level: str
    start: int  # milliseconds after START
    end: int | None
    usage: dict[str, int]
    cost: dict[str, str]
    deleted: bool


@dataclass(frozen=True)
class Trace:
    """A trace, and what a reader would say of it who looks at its observations one by one."""

    id: str
    observations: list[Observation] = field(default_factory=list)

    @property
    def live(self) -> list[Observation]:
        return [each for each in self.observations if not each.deleted]

    def count(self, level: str) -> int:
        return sum(each.level == level for each in self.live)

    @property
    def level(self) -> str:
        """The gravest level that occurs."""
        return max((each.level for each in self.live), key=LEVELS.index, default="")

    @property
    def latency(self) -> Decimal | None:
        """Seconds from the first to the last instant that any observation names."""
        instants = [each.start for each in self.live]
        instants += [each.end for each in self.live if each.end is not None]
        return Decimal(max(instants) - min(instants)) / 1000 if instants else None

    def usage(self, word: str) -> int:
        return sum(
            used for each in self.live for key, used in each.usage.items() if word in key.lower()
        )

    def cost(self, word: str) -> Decimal:
        costs = [cost for each in self.live for cost in each.cost.items()]
        return sum((Decimal(cost) for key, cost in costs if word in key.lower()), Decimal(0))

    @property
    def total_usage(self) -> int | None:
        totals = [each.usage["total"] for each in self.live if "total" in each.usage]
        return sum(totals) if totals else None

    @property
    def total_cost(self) -> Decimal:
        totals = (Decimal(each.cost.get("total", "0")) for each in self.live)
        return sum(totals, Decimal(0))


def made_up_traces(seed: int) -> list[Trace]:
    chance = random.Random(seed)
    return [
        Trace(f"trace-{number:02d}", [_observation(chance) for _ in range(chance.randrange(5))])
        for number in range(16)
    ]


def _observation(chance: random.Random) -> Observation:
    usage_keys = chance.sample(["input", "output", "total", "cached_Input", "other"], 3)
    cost_keys = chance.sample(["input", "output", "total", "OUTPUT_audio"], 2)
    start = chance.randrange(20_000)
    return Observation(
        level=chance.choice(LEVELS),
        start=start,
        end=chance.choice([None, start, start + chance.randrange(9_000), start - 500]),
        usage={key: chance.randrange(5) for key in usage_keys},
        cost={key: f"0.00000000000{chance.randrange(4)}" for key in cost_keys},
        deleted=chance.random() < 0.2,
    )


def instant(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    return (START + timedelta(milliseconds=milliseconds)).isoformat(timespec="milliseconds")


def store(project: Project, traces: list[Trace]) -> None:
    """The observations in two versions, of which the stale one would change every sum."""
    project.add("traces", *({"id": trace.id} for trace in traces))
    newest, stale = [], []
    for trace in traces:
        for number, each in enumerate(trace.observations):
            same = {"id": f"{trace.id}-{number}", "trace_id": trace.id}
            newest.append(
                {
                    **same,
                    "level": each.level,
                    "start_time": instant(each.start),
                    "end_time": instant(each.end),
                    "usage_details": each.usage,
                    "cost_details": each.cost,
                    "is_deleted": int(each.deleted),
                    "event_ts": "2031-03-01T13:00:00.000Z",
                }
            )
            stale.append(
                {
                    **same,
                    "type": "GENERATION",
                    "level": "ERROR",
                    "end_time": instant(900_000),
                    "usage_details": {"input": 1000, "output": 1000, "total": 1000},
                    "cost_details": {"input": "1", "output": "1", "total": "1"},
                }
            )
    project.add("observations", *newest)
    project.add("observations", *stale)


def numbers_of(name: str) -> Callable[[Trace], Any]:
    found: Mapping[str, Callable[[Trace], Any]] = {
        "errorCount": lambda trace: trace.count("ERROR"),
        "warningCount": lambda trace: trace.count("WARNING"),
        "defaultCount": lambda trace: trace.count("DEFAULT"),
        "debugCount": lambda trace: trace.count("DEBUG"),
        "inputTokens": lambda trace: trace.usage("input"),
        "outputTokens": lambda trace: trace.usage("output"),
        "totalTokens": lambda trace: trace.total_usage,
        "tokens": lambda trace: trace.total_usage,
        "latency": lambda trace: trace.latency,
        "inputCost": lambda trace: trace.cost("input"),
        "outputCost": lambda trace: trace.cost("output"),
        "totalCost": lambda trace: trace.total_cost,
    }
    return found[name]


UI_NAMES = {
    "errorCount": "Error Level Count",
    "warningCount": "Warning Level Count",
    "defaultCount": "Default Level Count",
    "debugCount": "Debug Level Count",
    "inputTokens": "Input Tokens",
    "outputTokens": "Output Tokens",
    "totalTokens": "Total Tokens",
    "tokens": "Tokens",
    "latency": "Latency (s)",
    "inputCost": "Input Cost ($)",
    "outputCost": "Output Cost ($)",
    "totalCost": "Total Cost ($)",
}


@pytest.fixture
def traces() -> list[Trace]:
    return made_up_traces(seed=20310301)


@pytest.fixture
def traced(project: Project, traces: list[Trace]) -> Project:
    store(project, traces)
    return project


@pytest.mark.parametrize("name", UI_NAMES)
def test_filters_on_what_observations_add_up_to_select_these_traces(
    traced: Project, traces: list[Trace], name: str
) -> None:
    value_of = numbers_of(name)
    present = sorted({value for trace in traces if (value := value_of(trace)) is not None})
    assert len(present) > 1, "the made-up traces must differ"
    middle = present[len(present) // 2]
    for column, comparison in zip((name, UI_NAMES[name], name), ("=", ">", "<="), strict=True):
        expected = {
            trace.id
            for trace in traces
            if (value := value_of(trace)) is not None and COMPARE[comparison](value, middle)
        }
        found = traced.ids("traces", where(column, "number", comparison, middle_as_json(middle)))
        assert found == expected, (column, comparison, middle)


def middle_as_json(value: Decimal | int) -> Any:
    return value if isinstance(value, int) else float(value)


@pytest.mark.parametrize(("choice", "levels"), [("any of", ["ERROR"]), ("none of", ["ERROR", ""])])
def test_the_level_of_a_trace_is_the_gravest_of_its_observations(
    traced: Project, traces: list[Trace], choice: str, levels: list[str]
) -> None:
    expected = {trace.id for trace in traces if (trace.level in levels) == (choice == "any of")}
    assert 0 < len(expected) < len(traces)
    assert traced.ids("traces", where("level", "stringOptions", choice, levels)) == expected
    assert traced.ids("traces", where("Level", "stringOptions", choice, levels)) == expected


def test_traces_without_observations_have_no_latency(project: Project) -> None:
    project.add("traces", {"id": "silent"}, {"id": "busy"})
    project.add("observations", {"id": "o", "trace_id": "busy"})
    assert project.ids("traces", where("latency", "number", ">=", 0)) == {"busy"}
    assert project.ids("traces", where("latency", "number", "<", 1)) == {"busy"}
    assert project.ids("traces", where("latency", "null", "is null", "")) == {"silent"}
    assert project.ids("traces", where("errorCount", "number", "=", 0)) == {"silent", "busy"}


def test_filters_of_both_levels_are_joined_by_and(project: Project) -> None:
    project.add("traces", *({"id": name, "user_id": name[0]} for name in ("a1", "a2", "b1")))
    project.add(
        "observations",
        {"id": "o1", "trace_id": "a1", "level": "ERROR"},
        {"id": "o2", "trace_id": "b1", "level": "ERROR"},
        {"id": "o3", "trace_id": "a2"},
    )
    failed = where("level", "stringOptions", "any of", ["ERROR"])
    assert project.ids("traces", failed, where("userId", "string", "=", "a")) == {"a1"}


def test_observations_of_other_projects_do_not_count_for_a_trace(new_project: NewProject) -> None:
    ours, theirs = new_project(), new_project()
    ours.add("traces", {"id": "t"})
    theirs.add("observations", {"id": "o", "trace_id": "t", "level": "ERROR"})
    assert ours.ids("traces", where("errorCount", "number", ">", 0)) == set()
