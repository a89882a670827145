"""``docs/configuration.md``, written from the settings themselves.

python -m tools.configuration_page > docs/configuration.md
"""

import sys
from collections.abc import Iterable

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from lf_export_pipeline.settings import (
    ClickHouseSettings,
    MailSettings,
    PipelineSettings,
    clickhouse_url,
    smtp_url,
)
from lf_export_pipeline.settings.lake import LakeSettings
from lf_export_pipeline.settings.langfuse_names import READ_BY_LIBRARIES, WITHOUT_EFFECT
from lf_export_pipeline.settings.limits import LimitSettings
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
    ("The lake", LakeSettings),
)

_PARAMETERS = (
    (
        ", ".join(f"CLICKHOUSE_URL?{name}=" for name in clickhouse_url.WITHOUT_EFFECT),
        "The client here has a way of its own; a session would forbid queries side by side.",
    ),
    (
        ", ".join(f"SMTP_CONNECTION_URL?{name}=" for name in smtp_url.WITHOUT_EFFECT),
        "Each message has a connection of its own, with time-outs of its own and the best method "
        "of signing in that the server offers.",
    ),
    (
        "SMTP_CONNECTION_URL?tls.*=",
        "Except `tls.servername`. `lf-export doctor` says so, also of "
        "`tls.rejectUnauthorized=false`: certificates are always verified.",
    ),
)

_INTRODUCTION = """\
# Configuration

<!-- Written by `python -m tools.configuration_page`; a test compares. -->

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
    libraries = _names("Langfuse's names that libraries read", "for", READ_BY_LIBRARIES)
    ignored = _names("Langfuse's names without effect here", "why", (*WITHOUT_EFFECT, *_PARAMETERS))
    return "\n".join([_INTRODUCTION, *groups, libraries, ignored])


def _names(title: str, column: str, rows: Iterable[tuple[str, str]]) -> str:
    lines = "\n".join(f"| {_code(names)} | {text} |" for names, text in rows)
    return f"## {title}\n\n| name | {column} |\n|---|---|\n{lines}\n"


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
