"""Wrong arguments, by the hundreds: a sentence and an exit code, and nothing else happens."""

import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline.cli.main import commands, main
from lf_export_pipeline_tests.effort import some

pytestmark = pytest.mark.services

Words = tuple[str, ...]

MANY = "9" * 30
LONG = "x" * 100_000
LINE_MAX_CHARACTERS = 1_500
NO_NUMBERS = ("0", "-5", "x", "", "1.5", "1e3", "0x10", MANY, f"-{MANY}", "NaN", "None")
NO_IDS = (
    *("nope", "", " ", "a\0b", "\ud800", "caf\udce9", LONG, "'; DROP TABLE batch_exports; --"),
    *("a,b", "...", "%s", "%(id)s", "[red]", "😀", "../../etc/passwd", "*", "\x1b[2J", "{0}"),
)
NO_INSTANTS = (
    *(
        "yesterday",
        "2031-13-01",
        "2031-02-30",
        "25:00",
        "1",
        "-1",
        "2031",
        "0001-01-01T00:00+14:00",
    ),
    *("9999-12-31T23:59:59-14:00", "2031-01-01T00:00Zz", MANY, "now()", "\u0662\u0660\u0663\u0661"),
)
NO_JSON = (
    "{",
    "]",
    "nope",
    "'[]'",
    "[" * 50_000,
    "NaN",
    "[1,]",
    "\\u0000",
    "9" * 5_000,
    "\ufeff[]",
)
NUMBER = {"type": "number", "column": "latency", "operator": ">", "value": 1}
TEXT = {"type": "string", "column": "name", "operator": "=", "value": "x"}
NO_FILTERS: tuple[object, ...] = (
    *("x", 1, 1.5, True, {}, {"type": "number"}, [1], ["x"], [None], [[]], [{}], [[NUMBER]]),
    [{"type": "colour"}],
    *([NUMBER | {key: None}] for key in NUMBER),
    *([NUMBER | {key: []}] for key in NUMBER),
    *([NUMBER | {key: {}}] for key in NUMBER),
    *([{name: value for name, value in NUMBER.items() if name != key}] for key in NUMBER),
    *([NUMBER | {"value": value}] for value in ("1", "x", True, "1e5000")),
    *([NUMBER | {"operator": word}] for word in ("", "=>", "contains", ">\u0000")),
    *([NUMBER | {"column": word}] for word in ("", "latncy", "name", "\u0000", "a" * 5_000, "'")),
    *([TEXT | {"operator": word}] for word in (">", "matches", "")),
    [{"type": "datetime", "column": "timestamp", "operator": ">", "value": "yesterday"}],
    [{"type": "stringOptions", "column": "name", "operator": "any of", "value": []}],
    [{"type": "null", "column": "userId", "operator": "is null", "value": "x"}],
    [{"type": "positionInTrace", "column": "x", "key": "nthFromEnd", "operator": "="}],
    [NUMBER] * 20_000,
)
NO_ORDERS = (
    *("1", '"name"', "[]", "{}", '{"column": "name"}', '{"order": "ASC"}', "true"),
    *('{"column": 1, "order": "ASC"}', '{"column": "name", "order": "asc"}'),
    '{"column": "name", "order": "ASC; DROP TABLE traces"}',
)
ASK = ("request", "--project", "p", "--table", "traces")

WRONG: tuple[Words, ...] = (
    *((name, "--nonsense") for name in commands()),
    *((name, "--json=maybe") for name in ("doctor", "status", "requeue", "schedules")),
    *(("nonsense",), ("--nonsense",), ("Status",), ("",), ("local", "nonsense")),
    *(("doctor", "x"), ("run",), ("download",), ("request",), ("request", "--project", "p")),
    *(("run", "a", "b"), ("download", "a", "b"), ("request", "x"), ("status", "--limit")),
    *(("dev", "--port", "x"), ("dev", "--traces", "x"), ("demo", "x"), ("dev", "x")),
    *(("local", name, "x") for name in ("up", "down", "status", "env")),
    *((command, "--limit", word) for command in ("status", "requeue") for word in NO_NUMBERS),
    *((command, "--", word) for command in ("run", "download", "status") for word in NO_IDS),
    *(("requeue", option, word) for option in ("--since", "--until") for word in NO_INSTANTS),
    *((*ASK, option, word) for option in ("--filters", "--order-by") for word in NO_JSON),
    *((*ASK, "--filters", json.dumps(value)) for value in NO_FILTERS),
    *((*ASK, "--order-by", word) for word in NO_ORDERS),
    *((*ASK, "--format", word) for word in ("", "parquet", "CSV,JSON", "csv ", "\0")),
    *(("request", "--project", "p", "--table", word) for word in (*NO_IDS, "datasets", "Traces")),
    *(("request", "--table", "traces", "--project", word) for word in NO_IDS),
    *((*ASK, "--user", word) for word in ("nobody", LONG, "a\0b")),
    *(("schedule", "--cron", "@daily", "--window", "since-last", "--", word) for word in NO_IDS),
    *(("schedules", "remove", "--", word) for word in NO_IDS),
    *((*ASK, "--search", word) for word in ("a\0b", "\ud800")),
    *(("status", "--watch", "--json"), ("status", "--json", "--watch")),
)
ODD: tuple[Words, ...] = (
    *(
        ("requeue", option, word)
        for option in ("--project", "--table", "--error")
        for word in NO_IDS
    ),
    *(("requeue", "--", word) for word in NO_IDS),
)
"""Nothing is wrong with these, but that nothing is found."""


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[object]:
    """What was begun that must not be."""
    found: list[object] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    for place in (
        "lf_export_pipeline.cli.run.run_export",
        "lf_export_pipeline.adapters.postgres.batch_exports.PostgresBatchExportRepository.add",
        "lf_export_pipeline.adapters.postgres.batch_exports.PostgresBatchExportRepository.requeue",
        "lf_export_pipeline.adapters.s3.object_store.S3ObjectStore.download",
        "lf_export_localstack.stack.local_stack.LocalStack.up",
        "lf_export_localstack.stack.local_stack.LocalStack.down",
    ):
        monkeypatch.setattr(place, lambda *args, **_: found.append(args))
    return found


def problems_of(result: Result, *, is_wrong: bool) -> list[str]:
    """What a command may not do with whatever it is told."""
    *_, last = result.stderr.splitlines() or [""]
    dumps = ("Traceback", "SQLSTATE", "psycopg2", "pydantic", "sqlalchemy", "Error(", "\x1b")
    found = [dump for dump in dumps if dump in result.output]
    if not isinstance(result.exception, SystemExit | None):
        found.append(f"{result.exception!r:.300}")
    if is_wrong and result.exit_code not in {1, 2}:
        found.append(f"exit code {result.exit_code}")
    if is_wrong and not last.startswith("Error: "):
        found.append(f"no sentence: {last:.300}")
    if len(last) > LINE_MAX_CHARACTERS:
        found.append(f"{len(last)} characters")
    return found


def refused_badly(stack: LocalStack, told: Iterable[Words], *, is_wrong: bool) -> dict[str, object]:
    """The words that have such problems, and what these are."""
    cli = CliRunner(env=dict(stack.environment()))
    results = ((str(words)[:200], cli.invoke(main, words)) for words in told)
    problems = ((words, problems_of(result, is_wrong=is_wrong)) for words, result in results)
    return {words: found for words, found in problems if found}


def test_no_wrong_argument_does_anything_but_to_be_named(
    stack: LocalStack, begun: list[object]
) -> None:
    assert len(set(WRONG)) > 200
    assert refused_badly(stack, some(WRONG), is_wrong=True) == {}
    assert begun == []


def test_what_finds_nothing_says_so(stack: LocalStack, begun: list[object]) -> None:
    assert refused_badly(stack, some(ODD), is_wrong=False) == {}
    assert begun == []
