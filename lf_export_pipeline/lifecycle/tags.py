"""The tags of an export's runs: by them Dagster's queue limits runs, and people find them."""

import hashlib

from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.lifecycle.partitions import (
    FORMAT_TAG,
    NAME_TAG,
    PROJECT_TAG,
    QUEUED_AT_TAG,
    TABLE_TAG,
    USER_TAG,
)

TAG_MAX_CHARACTERS = 63
HASH_CHARACTERS = 8


def tags_of(row: ExportRow) -> dict[str, str]:
    """What every run of an export is tagged with, whoever asks for it.

    The user is the id: e-mail addresses stay in Langfuse's database.
    """
    people = {NAME_TAG: row.name, USER_TAG: row.user_id}
    return {
        **{tag: _tag(value) for tag, value in people.items() if value},
        PROJECT_TAG: project_tag(row),
        TABLE_TAG: _tag(row.table),
        FORMAT_TAG: _tag(row.format),
        **queueing_tag(row),
    }


def queueing_tag(row: ExportRow) -> dict[str, str]:
    """Which queueing of the export a run is asked for; nothing for a row that does not wait."""
    return {QUEUED_AT_TAG: row.updated_at.isoformat()} if row.status == "QUEUED" else {}


def project_tag(row: ExportRow) -> str:
    """A project as the tags of runs name it."""
    return _tag(row.project_id)


def _tag(value: object) -> str:
    """A tag's value; whatever a row holds, it must not keep its run from starting.

    What has to be changed gets a few digits of its hash: two projects that share their beginning
    must not share their places.
    """
    text = str(value)
    plain = "".join(filter(str.isprintable, text))
    if plain == text and 0 < len(text) <= TAG_MAX_CHARACTERS:
        return text
    digits = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:HASH_CHARACTERS]
    return f"{plain[: TAG_MAX_CHARACTERS - HASH_CHARACTERS - 1] or 'unknown'}-{digits}"
