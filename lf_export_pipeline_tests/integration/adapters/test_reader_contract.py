"""What every ``RowReader`` must do, on both stores and through the router."""

from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pytest

from lf_export_pipeline.adapters.clickhouse.clickhouse_reader import ClickHouseReader
from lf_export_pipeline.adapters.postgres.database import LangfusePostgres
from lf_export_pipeline.adapters.statement_router import StatementRouter
from lf_export_pipeline.core.errors import (
    ConfigurationError,
    InvalidFilterError,
    PermanentError,
    TimeLimitError,
    TransientError,
)
from lf_export_pipeline.core.ports import RowReader
from lf_export_pipeline.core.query.statement import Statement, Store
from lf_export_pipeline_tests.integration.adapters.conftest import SettingsWith

pytestmark = pytest.mark.services

NASTY = "a\t'b'\\ \"c\"\n{x:String} :y %(z)s %% é 日本 \U0001f600 -- /* ;"


@dataclass(frozen=True)
class Dialect:
    """How a store says the same things."""

    store: Store
    text_parameter: str
    series: str
    failing: str
    endless: str
    unknown_table: str = "SELECT 1 FROM there_is_no_such_table"

    def statement(self, sql: str, **params: Any) -> Statement:
        return Statement(store=self.store, sql=sql, params=params)


DIALECTS = {
    "clickhouse": Dialect(
        Store.CLICKHOUSE,
        "SELECT {value:String}",
        "SELECT leftPad(toString(number), 100, '.') AS text FROM numbers(200000)",
        "SELECT concat(hex(randomString(50)), toString(throwIf(number = 150000))) AS text "
        "FROM numbers(200000)",
        "SELECT max(sipHash64(number)) FROM system.numbers",
    ),
    "postgres": Dialect(
        Store.POSTGRES,
        "SELECT CAST(:value AS text)",
        "SELECT lpad(n::text, 100, '.') AS text FROM generate_series(0, 199999) AS n",
        "SELECT lpad((1 / (150000 - n))::text, 100, '.') AS text "
        "FROM generate_series(0, 199999) AS n",
        "SELECT CAST(pg_sleep(600) AS text)",
    ),
}


@pytest.fixture(params=list(DIALECTS.values()), ids=list(DIALECTS))
def dialect(request: pytest.FixtureRequest) -> Dialect:
    found: Dialect = request.param
    return found


@pytest.fixture(params=["itself", "router"])
def reader(
    request: pytest.FixtureRequest,
    dialect: Dialect,
    clickhouse: ClickHouseReader,
    database: LangfusePostgres,
) -> RowReader:
    own: RowReader = database.reader if dialect.store is Store.POSTGRES else clickhouse
    return own if request.param == "itself" else StatementRouter(clickhouse, database.reader)


def test_a_large_result_arrives_whole_and_in_batches(reader: RowReader, dialect: Dialect) -> None:
    with reader.batches(dialect.statement(dialect.series)) as batches:
        found = list(batches)
    assert len(found) > 1
    texts = pa.chunked_array([batch.column("text") for batch in found])
    assert texts.type == pa.string()
    assert texts.to_pylist() == [str(number).rjust(100, ".") for number in range(200_000)]


def test_values_are_bound_whatever_they_hold(reader: RowReader, dialect: Dialect) -> None:
    assert reader.rows(dialect.statement(dialect.text_parameter, value=NASTY)) == [(NASTY,)]


@pytest.mark.parametrize(
    "value", ["a\x00b", ["a", "b\x00"], ("\x00",)], ids=["text", "list", "tuple"]
)
def test_a_filter_that_postgres_cannot_hold_is_refused_with_a_sentence(
    database: LangfusePostgres, value: object
) -> None:
    asked = DIALECTS["postgres"].statement("SELECT :value", value=value)

    with pytest.raises(InvalidFilterError, match="NUL character; please remove it"):
        database.reader.rows(asked)
    with pytest.raises(InvalidFilterError), database.reader.batches(asked):
        pytest.fail("it is read")


def test_an_empty_result_is_no_batch_and_no_row(reader: RowReader, dialect: Dialect) -> None:
    nothing = dialect.statement("SELECT 1 AS one WHERE 1 = 0")
    with reader.batches(nothing) as batches:
        assert list(batches) == []
    assert reader.rows(nothing) == []


def test_a_query_that_fails_midway_raises_instead_of_ending(
    reader: RowReader, dialect: Dialect
) -> None:
    arrived: list[pa.RecordBatch] = []
    with (
        pytest.raises(PermanentError) as caught,
        reader.batches(dialect.statement(dialect.failing)) as batches,
    ):
        arrived.extend(batches)
    assert arrived
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("store", DIALECTS)
def test_a_statement_that_takes_too_long_ends_with_a_sentence(
    settings_with: SettingsWith, store: str
) -> None:
    setting = f"LF_EXPORT_{store.upper()}_QUERY_SECONDS"
    settings = settings_with(**{setting: "1"})
    dialect = DIALECTS[store]
    endless = dialect.statement(dialect.endless)
    with (
        closing(ClickHouseReader(settings)) as clickhouse,
        closing(LangfusePostgres(settings)) as database,
    ):
        reader: RowReader = clickhouse if store == "clickhouse" else database.reader
        with pytest.raises(TimeLimitError, match=f"may raise {setting}"):
            reader.rows(endless)
        too_long = pytest.raises(TimeLimitError, match=f"may raise {setting}")
        with too_long, reader.batches(endless) as batches:
            list(batches)
        assert reader.rows(dialect.statement("SELECT 1")) == [(1,)]


def test_every_transaction_in_postgres_bounds_its_own_statements(
    database: LangfusePostgres,
) -> None:
    shown = DIALECTS["postgres"].statement(
        "SELECT setting, source, 1 FROM pg_settings WHERE name = 'statement_timeout'"
    )
    assert database.reader.rows(shown) == [("60000", "session", 1)]
    with database.reader.batches(shown) as batches:
        assert next(batches).column(0).to_pylist() == ["60000"]
    with database.engine.connect() as connection:
        assert connection.exec_driver_sql("SHOW statement_timeout").scalar() == "1min"
        connection.commit()
        cursor = connection.connection.cursor()  # nothing of it is left to who gets it next
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("0",)


def test_a_change_of_a_row_that_waits_too_long_may_be_tried_again(
    settings_with: SettingsWith, database: LangfusePostgres
) -> None:
    impatient = LangfusePostgres(settings_with(LF_EXPORT_POSTGRES_QUERY_SECONDS="1"))
    with closing(impatient), database.engine.begin() as connection:
        connection.exec_driver_sql("LOCK TABLE batch_exports")
        with pytest.raises(TransientError, match="57014"):
            impatient.exports.touch("any", "owner")


def test_a_reader_that_leaves_early_can_read_again(reader: RowReader, dialect: Dialect) -> None:
    for _ in range(30):  # more often than there are connections
        with reader.batches(dialect.statement(dialect.series)) as batches:
            next(batches)
    assert reader.rows(dialect.statement("SELECT 1")) == [(1,)]


def test_the_readers_own_exceptions_pass(reader: RowReader, dialect: Dialect) -> None:
    with pytest.raises(KeyError), reader.batches(dialect.statement(dialect.series)) as batches:
        raise KeyError(next(batches))
    assert reader.rows(dialect.statement("SELECT 1")) == [(1,)]


def test_a_missing_table_is_a_matter_of_configuration(reader: RowReader, dialect: Dialect) -> None:
    with pytest.raises(ConfigurationError, match="migrations"):
        reader.rows(dialect.statement(dialect.unknown_table))


def test_a_query_that_makes_no_sense_says_nothing_of_itself(
    reader: RowReader, dialect: Dialect
) -> None:
    with pytest.raises(PermanentError) as caught:
        reader.rows(dialect.statement("SELECT FROM WHERE secret_word"))
    assert "secret_word" not in caught.value.user_message


def test_tags_change_nothing_in_the_result(reader: RowReader, dialect: Dialect) -> None:
    tagged = reader.tagged(export_id="e'1\"", op="x\n")
    assert tagged.rows(dialect.statement("SELECT 1")) == [(1,)]


@pytest.mark.parametrize(
    ("variable", "store", "query"),
    [
        ("CLICKHOUSE_URL", Store.CLICKHOUSE, "http://127.0.0.1:9"),
        ("DATABASE_URL", Store.POSTGRES, "postgresql://u:p@127.0.0.1:9/x"),
    ],
)
def test_a_server_that_is_away_may_come_back(
    settings_with: SettingsWith, variable: str, store: Store, query: str
) -> None:
    settings = settings_with(**{variable: query})
    router = StatementRouter(ClickHouseReader(settings), LangfusePostgres(settings).reader)
    with pytest.raises(TransientError):
        router.rows(Statement(store=store, sql="SELECT 1"))


@pytest.mark.parametrize("variable", ["CLICKHOUSE_PASSWORD", "DATABASE_URL"])
def test_a_wrong_password_is_a_matter_of_configuration(
    settings_with: SettingsWith, variable: str
) -> None:
    right = settings_with().database_url.get_secret_value()
    wrong = {
        "CLICKHOUSE_PASSWORD": "wrong",
        "DATABASE_URL": right.replace("@", "wrong@"),
    }
    settings = settings_with(**{variable: wrong[variable]})
    store = Store.POSTGRES if variable == "DATABASE_URL" else Store.CLICKHOUSE
    router = StatementRouter(ClickHouseReader(settings), LangfusePostgres(settings).reader)
    with pytest.raises(ConfigurationError, match=variable):
        router.rows(Statement(store=store, sql="SELECT 1"))
