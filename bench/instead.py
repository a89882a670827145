"""(d) What a user would write instead: data frames, and one row after the other."""

import csv
import json
from collections.abc import Iterator
from typing import Any

from bench.limit import COLUMNS
from bench.world import World
from lf_export_pipeline.adapters.s3.s3_client import s3_client


def with_data_frames(here: World, project: str, table: str) -> int:
    """clickhouse-connect's query_df, pandas' to_csv, boto3's upload_file: all rows in memory."""
    target = here.folder / "instead.csv"
    with here.clickhouse() as client:
        query = f"SELECT {COLUMNS[table]} FROM {table} WHERE project_id = {{p:String}}"
        client.query_df(query, {"p": project}).to_csv(target, index=False)
    settings = here.settings
    bucket = here.ports["files"].bucket
    store = s3_client(settings, bucket, settings.langfuse_s3_batch_export_endpoint)
    store.upload_file(str(target), bucket, "bench-instead")
    store.delete_object(Bucket=bucket, Key="bench-instead")
    size = target.stat().st_size
    target.unlink()
    return size


def rows_as_csv(here: World, project: str, table: str, rows: int) -> int:
    """Row streaming with csv.writer."""
    target = here.folder / "rows.csv"
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerows(_rows(here, project, table, rows))
    return _size_of_removed(target)


def rows_as_jsonl(here: World, project: str, table: str, rows: int) -> int:
    """Row streaming with json.dumps."""
    target = here.folder / "rows.jsonl"
    names = COLUMNS[table].split(", ")
    with target.open("w", encoding="utf-8") as file:
        for row in _rows(here, project, table, rows):
            cells = dict(zip(names, row, strict=True))
            file.write(json.dumps(cells, ensure_ascii=False, default=str) + "\n")
    return _size_of_removed(target)


def _rows(here: World, project: str, table: str, rows: int) -> Iterator[tuple[Any, ...]]:
    query = f"SELECT {COLUMNS[table]} FROM {table} WHERE project_id = {{p:String}} LIMIT {rows}"
    with here.clickhouse() as client, client.query_rows_stream(query, {"p": project}) as stream:
        yield from stream


def _size_of_removed(target: Any) -> int:
    size = target.stat().st_size
    target.unlink()
    return int(size)
