"""Sample projects: believable LLM traffic of any size, made inside the databases."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from clickhouse_connect.driver.client import Client

from lf_export_localstack.sample.rows import clickhouse_client, postgres_transaction
from lf_export_localstack.sql.schema import clickhouse_statements, sql_text
from lf_export_localstack.stack.stack_addresses import StackAddresses

UNTIL = datetime(2026, 6, 1, tzinfo=UTC)
# In this order: observations, events and scores are made from what is there before them.
_CLICKHOUSE_FILES = (
    "sample_traces.sql",
    "sample_observations.sql",
    "sample_events.sql",
    "sample_dataset_run_items.sql",
    "sample_scores.sql",
)
_INSERT_SETTINGS = {
    # Wide rows: small blocks and one thread bound the memory, whatever the size asked for.
    "max_block_size": 8192,
    "max_insert_threads": 1,
    "max_threads": 1,
    "min_insert_block_size_bytes": 64 * 1024 * 1024,
    "output_format_json_escape_forward_slashes": 0,
}
_CLICKHOUSE_TABLES = ("traces", "observations", "scores", "dataset_run_items_rmt", "events_full")
_POSTGRES_TABLES = ("comments", "trace_sessions", "datasets", "dataset_items", "audit_logs")


class ProjectNotEmptyError(ValueError):
    """The project has traces already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleSize:
    """How much to make.

    Attributes:
        traces: rows of `traces`; four of them make a session.
        observations_per_trace: every third of them is a call of a model; may be 0.
        text_bytes: input and output of a trace together, on average; each observation repeats them.
        comments: on traces, observations and sessions; none without traces.
        dataset_items: spread over two datasets; each is part of two runs.
        audit_logs: rows of `audit_logs`.
    """

    traces: int = 1_000
    observations_per_trace: int = 3
    text_bytes: int = 1_000
    comments: int = 100
    dataset_items: int = 50
    audit_logs: int = 50


def generate_sample(
    addresses: StackAddresses,
    project_id: str,
    size: SampleSize | None = None,
    *,
    until: datetime = UNTIL,
    days: int = 14,
    seed: int = 1,
    tell: Callable[[str], object] = str,
) -> dict[str, int]:
    """The number of rows of the new project per table.

    The same arguments make the same rows, byte for byte. Legacy tables and events hold the same
    traffic; users, models and prices are shared by all sample projects.

    Args:
        addresses: of a running stack.
        project_id: a project without data.
        size: how much to make; by default a project of a thousand traces.
        until: nothing is younger than this instant.
        days: over how many days before it the traffic is spread.
        seed: another number makes other rows.
        tell: takes the name of each group of rows that is there.

    Raises:
        ProjectNotEmptyError: the project has traces already.
    """
    values = {
        "project": project_id,
        "seed": seed,
        "days": days,
        "until": until.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3],
        **_quantities(size or SampleSize()),
    }
    with clickhouse_client(addresses) as client:
        _refuse_used_project(client, project_id)
        for file in _CLICKHOUSE_FILES:
            for statement in clickhouse_statements(file):
                client.command(statement, parameters=values, settings=_INSERT_SETTINGS)
            tell(file.removeprefix("sample_").removesuffix(".sql").replace("_", " "))
    _fill_postgres(addresses, values)
    return count_rows(addresses, project_id)


def count_rows(addresses: StackAddresses, project_id: str) -> dict[str, int]:
    """How many rows each exportable table holds of a project, versions counted one by one."""
    counts: dict[str, int] = {}
    with clickhouse_client(addresses) as client:
        for table in _CLICKHOUSE_TABLES:
            query = f"SELECT count() FROM {table} WHERE project_id = {{project:String}}"
            counts[table] = int(client.query(query, {"project": project_id}).result_rows[0][0])
    with postgres_transaction(addresses) as connection, connection.cursor() as cursor:
        for table in _POSTGRES_TABLES:
            query = f"SELECT count(*) FROM {table} WHERE project_id = %s"
            cursor.execute(query, (project_id,))
            (counts[table],) = cursor.fetchone() or (0,)
    return counts


def _quantities(size: SampleSize) -> dict[str, int]:
    # Scores of observations are on the first call of a model, if there is one.
    scored_step = max(0, min(2, size.observations_per_trace - 1))
    return {**asdict(size), "scored_step": scored_step}


def _refuse_used_project(client: Client, project_id: str) -> None:
    query = "SELECT count() FROM traces WHERE project_id = {project:String}"
    if client.query(query, {"project": project_id}).result_rows[0][0]:
        raise ProjectNotEmptyError(f"Project {project_id} has traces already.")


def _fill_postgres(addresses: StackAddresses, values: Mapping[str, object]) -> None:
    texts = {**values, "seed": str(values["seed"])}
    with postgres_transaction(addresses) as connection, connection.cursor() as cursor:
        cursor.execute(sql_text("sample_postgres.sql"), texts)
