"""Loading recorded rows, physical versions included, into empty tables."""

import json
from collections.abc import Iterator
from pathlib import Path

from clickhouse_connect.driver.client import Client

from lf_export_localstack.sample.rows import (
    clickhouse_client,
    insert_clickhouse_batch,
    insert_postgres_rows,
    postgres_transaction,
)
from lf_export_localstack.stack.stack_addresses import StackAddresses

BATCHES_FILE = "_batches.json"


def load_seed(addresses: StackAddresses, seed_dir: Path) -> dict[str, int]:
    """The number of rows loaded per table, ClickHouse's and Postgres's.

    Each batch goes in by an INSERT of its own and merges are switched off for those tables, so
    that several versions of one row stay beside each other as they do in a busy Langfuse.
    `events_core` fills itself from `events_full`.

    Args:
        addresses: of a running stack whose tables hold none of these rows yet.
        seed_dir: `clickhouse/<table>.jsonl` with the sizes of the batches in
            `clickhouse/_batches.json`, and `postgres/<table>.jsonl`.

    Raises:
        ValueError: the batches do not add up to the rows of a table.
    """
    return {
        **_load_clickhouse(addresses, seed_dir / "clickhouse"),
        **_load_postgres(addresses, seed_dir / "postgres"),
    }


def keep_versions_apart(client: Client, table: str) -> None:
    """Switches merges off for a table: no parts are small enough to be merged any more."""
    client.command(
        f"ALTER TABLE {table} MODIFY SETTING "
        "max_bytes_to_merge_at_max_space_in_pool = 1, "
        "max_bytes_to_merge_at_min_space_in_pool = 1"
    )


def _load_clickhouse(addresses: StackAddresses, directory: Path) -> dict[str, int]:
    batches: dict[str, list[int]] = json.loads((directory / BATCHES_FILE).read_bytes())
    with clickhouse_client(addresses) as client:
        for table in ("events_core", *batches):
            keep_versions_apart(client, table)
        for table, sizes in batches.items():
            for rows in _cut(table, _lines(directory / f"{table}.jsonl"), sizes):
                insert_clickhouse_batch(client, table, rows)
    return {table: sum(sizes) for table, sizes in batches.items()}


def _load_postgres(addresses: StackAddresses, directory: Path) -> dict[str, int]:
    loaded = {}
    with postgres_transaction(addresses) as connection:
        for file in sorted(directory.glob("*.jsonl")):
            rows = _lines(file)
            insert_postgres_rows(connection, file.stem, rows)
            loaded[file.stem] = len(rows)
    return loaded


def _lines(file: Path) -> list[str]:
    # Only a line feed ends a row: JSON text may hold the other characters that splitlines cuts at.
    return [line for line in file.read_text(encoding="utf-8").split("\n") if line]


def _cut(table: str, rows: list[str], sizes: list[int]) -> Iterator[list[str]]:
    if sum(sizes) != len(rows):
        message = f"{table}: the batches hold {sum(sizes)} rows, the file {len(rows)}."
        raise ValueError(message)
    start = 0
    for size in sizes:
        yield rows[start : start + size]
        start += size
