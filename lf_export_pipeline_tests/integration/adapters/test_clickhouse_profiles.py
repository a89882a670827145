"""Profiles that have results cut: ClickHouse then sends a part of the rows, and no error."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from lf_export_localstack_tests.integration.clickhouse_server import server_process as clickhouse
from lf_export_pipeline.adapters.clickhouse.clickhouse_reader import ClickHouseReader
from lf_export_pipeline.core.errors import ConfigurationError, ExportError
from lf_export_pipeline.core.query.statement import Statement, Store
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.integration.adapters.conftest import SettingsWith

pytestmark = pytest.mark.services

ROWS = 20_000
NUMBERS = f"SELECT number FROM numbers({ROWS})"
BREAKING = {
    f"{what}_overflow_mode": "break"
    for what in ("read", "sort", "distinct", "set", "join", "transfer", "result", "timeout")
} | {"group_by_overflow_mode": "any"}


def statement(sql: str) -> Statement:
    return Statement(store=Store.CLICKHOUSE, sql=sql)


@contextmanager
def server(
    settings_with: SettingsWith,
    folder: Path,
    profile: Mapping[str, object],
    *constant: str,
    **constraints: str,
) -> Iterator[Settings]:
    """The settings of a server whose user has this profile; what is constant no query changes."""
    values = "".join(f"<{name}>{value}</{name}>" for name, value in profile.items())
    held = dict.fromkeys(constant, "<const/>") | constraints
    bounds = "".join(f"<{name}>{bound}</{name}>" for name, bound in held.items())
    profile_xml = f"{values}<constraints>{bounds}</constraints>"
    config = clickhouse.config_file(folder, profile_xml)
    options = ("--config-file", str(config))
    running = clickhouse.ServerProcess.start(folder / "data", folder / "log", *options)
    try:
        yield settings_with(
            CLICKHOUSE_URL=running.url,
            CLICKHOUSE_USER=clickhouse.USER,
            CLICKHOUSE_PASSWORD=clickhouse.PASSWORD,
        )
    finally:
        running.stop()


@pytest.fixture(scope="module")
def breaking(
    settings_with: SettingsWith, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ClickHouseReader]:
    """Reads with a profile that has every result cut at its bounds."""
    with server(settings_with, tmp_path_factory.mktemp("clickhouse"), BREAKING) as settings:
        reader = ClickHouseReader(settings)
        yield reader
        reader.close()


@pytest.mark.parametrize(
    "sql",
    [
        f"{NUMBERS} SETTINGS max_rows_to_read = 100",
        f"{NUMBERS} GROUP BY number SETTINGS max_rows_to_group_by = 100",
        f"{NUMBERS} ORDER BY number DESC SETTINGS max_rows_to_sort = 100",
        f"SELECT DISTINCT {NUMBERS[7:]} SETTINGS max_rows_in_distinct = 100",
        f"{NUMBERS} WHERE number IN ({NUMBERS}) SETTINGS max_rows_in_set = 100",
        f"{NUMBERS} AS a INNER JOIN ({NUMBERS}) AS b ON a.number = b.number "
        "SETTINGS max_rows_in_join = 100",
        f"{NUMBERS} SETTINGS max_result_rows = 100",
        "SELECT count() FROM system.numbers SETTINGS max_execution_time = 1",
    ],
)
def test_query_that_reaches_a_bound_of_its_profile_fails(
    breaking: ClickHouseReader, sql: str
) -> None:
    with pytest.raises(ExportError):
        breaking.rows(statement(sql))


@pytest.mark.parametrize("profile", [{"limit": 10}, {"max_result_rows": 10, **BREAKING}])
def test_all_rows_arrive_however_few_the_profile_allows(
    settings_with: SettingsWith, tmp_path: Path, profile: dict[str, object]
) -> None:
    with server(settings_with, tmp_path, profile) as settings:
        reader = ClickHouseReader(settings)
        assert len(reader.rows(statement(NUMBERS))) == ROWS
        asked = "SELECT toInt64(getSetting('max_execution_time'))"
        assert reader.rows(statement(asked)) == [(185,)]
        reader.close()


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("group_by_overflow_mode", "any", r"group_by_overflow_mode = any .* set it to throw\."),
        ("limit", 10, "code 452: limit.; change them"),
    ],
)
def test_profile_that_insists_on_cutting_is_refused(
    settings_with: SettingsWith, tmp_path: Path, name: str, value: object, sentence: str
) -> None:
    with server(settings_with, tmp_path, {name: value}, name) as settings:
        reader = ClickHouseReader(settings)
        with pytest.raises(ConfigurationError, match=sentence):
            reader.rows(statement(NUMBERS))
        reader.close()


@pytest.mark.parametrize(
    ("name", "bound", "variable", "allowed"),
    [
        ("max_execution_time", "<max>60</max>", "LF_EXPORT_CLICKHOUSE_QUERY_SECONDS", "60"),
        ("max_execution_time", "<min>300</min>", "LF_EXPORT_CLICKHOUSE_QUERY_SECONDS", "300"),
        ("max_memory_usage", "<max>1073741824</max>", "LF_EXPORT_CLICKHOUSE_MEMORY_MIB", "1024"),
        ("max_threads", "<max>1</max>", "LF_EXPORT_CLICKHOUSE_THREADS", "1"),
    ],
)
def test_constraint_names_the_variable_that_keeps_to_it(
    settings_with: SettingsWith,
    tmp_path: Path,
    *,
    name: str,
    bound: str,
    variable: str,
    allowed: str,
) -> None:
    """A user with ``readonly = 2`` or 0 has constraints like any other."""
    profile = {"max_memory_usage": 1 << 29, "max_threads": 1}
    with server(settings_with, tmp_path, profile, **{name: bound}) as settings:
        asked = settings.model_copy(update={"lf_export_clickhouse_threads": 2})
        with pytest.raises(ConfigurationError, match=rf"code 452: {name}.; set {variable} to"):
            rows_of(asked)
        kept = settings.model_copy(update={variable.lower(): int(allowed)})
        assert rows_of(kept) == ROWS


def rows_of(settings: Settings) -> int:
    with closing(ClickHouseReader(settings)) as reader:
        return len(reader.rows(statement(NUMBERS)))
