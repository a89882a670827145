"""The table ``batch_exports``, and which of its rows a change may touch.

The database decides that within the change.
"""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from lf_export_pipeline.core.request.ownership import MARK_BEGIN, Claim, mark_of

EXPORTS = sa.Table(
    "batch_exports",
    sa.MetaData(),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("project_id", sa.Text),
    sa.Column("user_id", sa.Text),
    sa.Column("created_at", sa.DateTime),
    sa.Column("updated_at", sa.DateTime),
    sa.Column("name", sa.Text),
    sa.Column("status", sa.Text),
    sa.Column("format", sa.Text),
    sa.Column("query", JSONB),
    sa.Column("log", sa.Text),
    sa.Column("url", sa.Text),
    sa.Column("finished_at", sa.DateTime),
    sa.Column("expires_at", sa.DateTime),
)
_C = EXPORTS.c

Guard = sa.ColumnElement[bool]


def startable(owner: str, unchanged_since: datetime | None) -> Guard:
    """Any state but COMPLETED and CANCELLED, unless another has taken the row and lives.

    Langfuse: an unknown status is processed like QUEUED.
    """
    is_free = sa.or_(_not_anothers(owner), _C.updated_at == storable(unchanged_since))
    return sa.and_(_C.status.not_in(["COMPLETED", "CANCELLED"]), is_free)


def publishable(owner: str) -> Guard:
    """PROCESSING, unless another has taken the row; FAILED, which is nobody's."""
    return sa.and_(_C.status.in_(["PROCESSING", "FAILED"]), _not_anothers(owner))


def touchable(owner: str) -> Guard:
    """PROCESSING, unless another has taken the row."""
    return sa.and_(_C.status == "PROCESSING", _not_anothers(owner))


def endable(claim: Claim | None) -> Guard:
    """QUEUED or PROCESSING, and covered by the claim, if there is one."""
    in_work = _C.status.in_(["QUEUED", "PROCESSING"])
    if claim is None:
        return in_work
    is_taken = sa.and_(_C.status == "PROCESSING", _C.log == mark_of(claim.owner or ""))
    is_as_seen = _C.updated_at == storable(claim.unchanged_since)
    return sa.and_(in_work, sa.or_(is_taken, is_as_seen))


def _not_anothers(owner: str) -> Guard:
    is_marked = sa.and_(_C.status == "PROCESSING", _C.log.startswith(MARK_BEGIN, autoescape=True))
    return sa.or_(_C.log.is_(None), _C.log == mark_of(owner), sa.not_(is_marked))


def storable(value: Any) -> Any:
    """A value as the table keeps it: UTC without a zone, text without what it cannot store."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None)
    if isinstance(value, str):
        return value.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
    return value
