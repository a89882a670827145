"""The file that the real job makes of an export, with the servers and accounts that are named."""

import urllib.request

import dagster as dg

from lf_export_pipeline.adapters.postgres.database import LangfusePostgres
from lf_export_pipeline.cli.request import requested_row
from lf_export_pipeline.defs.job import batch_export_job
from lf_export_pipeline.defs.resources import resources_on
from lf_export_pipeline.lifecycle.in_process import run_export
from lf_export_pipeline.settings import Settings


def file_of_job(
    environment: dict[str, str], project: str, table: str, *, events_table: bool = False
) -> list[bytes]:
    """The lines of a JSONL export that was asked for, made, and downloaded by its link."""
    settings = Settings.load(environment)
    row = requested_row(
        project=project, table=table, file_format="JSONL", events_table=events_table
    )
    database = LangfusePostgres(settings)
    try:
        database.exports.add(row)
        with dg.DagsterInstance.ephemeral() as instance:
            run_export(batch_export_job(retries=None), instance, row.id, resources_on(settings))
        ended = database.exports.get(row.id)
    finally:
        database.close()
    assert ended
    assert (ended.status, ended.log) == ("COMPLETED", None)
    with urllib.request.urlopen(ended.url or "", timeout=30) as answer:
        data: bytes = answer.read()
    return data.splitlines()
