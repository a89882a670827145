"""``docs/configuration.md``, written from the settings themselves.

python -m lf_export_pipeline.settings.document > docs/configuration.md
"""

import sys

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from lf_export_pipeline.settings import (
    ClickHouseSettings,
    LimitSettings,
    MailSettings,
    PipelineSettings,
)
from lf_export_pipeline.settings.operating import OperatingSettings
from lf_export_pipeline.settings.postgres import PostgresSettings
from lf_export_pipeline.settings.s3 import S3Settings
from lf_export_pipeline.settings.sentences import base_type, expected

_GROUPS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("Postgres", PostgresSettings),
    ("ClickHouse", ClickHouseSettings),
    ("S3", S3Settings),
    ("E-mail", MailSettings),
    ("Limits", LimitSettings),
    ("This pipeline", PipelineSettings),
    ("Operating", OperatingSettings),
)

_WITHOUT_EFFECT = (
    ("BATCH_EXPORT_PAGE_SIZE", "Nothing is read in pages."),
    ("LANGFUSE_S3_UPLOAD_ENABLE_BUFFERED", "Parts always have the size that is set."),
    ("CLICKHOUSE_CLUSTER_ENABLED, CLICKHOUSE_CLUSTER_NAME", "Reads need no cluster name."),
    ("CLICKHOUSE_KEEP_ALIVE_IDLE_SOCKET_TTL", "Dead connections are noticed and replaced."),
    ("CLICKHOUSE_DISABLE_TOP_K_THROUGH_JOIN", "No query has a limit over a join."),
    ("LANGFUSE_API_CLICKHOUSE_DISABLE_OBSERVATIONS_FINAL", "The newest version always wins."),
    ("LANGFUSE_SKIP_FINAL_FOR_OTEL_PROJECTS", "The newest version always wins."),
    ("LANGFUSE_DATASET_SERVICE_READ_FROM_VERSIONED_IMPLEMENTATION", "It always does."),
    ("REDIS_*, LANGFUSE_S3_EVENT_UPLOAD_*", "There is no queue and no event bucket."),
)

_INTRODUCTION = """\
# Configuration

<!-- Written by `python -m lf_export_pipeline.settings.document`; a test compares. -->

Everything is read from the environment, with the names and defaults of Langfuse's worker, so that
its env file can be copied. A `.env` file in the working directory is read too. Where both name a
variable, the environment wins in `lf-export`, and `.env` in Dagster's own commands. An empty value
counts as unset, and the line break at the end of a value, as files of mounted secrets have it, is
dropped. A missing or wrong value is reported by name; `lf-export doctor` tries out all of
them.

Set `QUEUE_CONSUMER_BATCH_EXPORT_QUEUE_IS_ENABLED=false` on Langfuse's own worker, or both will run
each export.
"""


def document() -> str:
    """The whole document as Markdown."""
    groups = (_group(title, model) for title, model in _GROUPS)
    rows = "\n".join(f"| {_code(names)} | {why} |" for names, why in _WITHOUT_EFFECT)
    ending = f"## Langfuse's names without effect here\n\n| name | why |\n|---|---|\n{rows}\n"
    return "\n".join([_INTRODUCTION, *groups, ending])


def _group(title: str, model: type[BaseModel]) -> str:
    rows = [_row(name.upper(), field) for name, field in model.model_fields.items()]
    table = "\n".join(["| name | default | value | meaning |", "|---|---|---|---|", *rows])
    return f"## {title}\n\n{model.__doc__}\n\n{table}\n"


def _row(name: str, field: FieldInfo) -> str:
    kind = "secret" if base_type(field) is SecretStr else expected(field)
    return f"| `{name}` | {_default(field)} | {kind} | {field.description} |"


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "required"
    if field.default in (None, ""):
        return ""
    shown = str(field.default).lower() if isinstance(field.default, bool) else field.default
    return f"`{shown}`"


def _code(names: str) -> str:
    return ", ".join(f"`{name}`" for name in names.split(", "))


if __name__ == "__main__":
    sys.stdout.write(document())
