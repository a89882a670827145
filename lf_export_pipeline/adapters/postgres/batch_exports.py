"""The table ``batch_exports``: reads, and changes that are guarded by the state they start from."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert

from lf_export_pipeline.adapters.postgres.export_columns import (
    export_row,
    stored_export,
    table_word,
    with_query,
    without_query,
)
from lf_export_pipeline.adapters.postgres.export_guards import (
    EXPORTS,
    endable,
    publishable,
    startable,
    storable,
    touchable,
)
from lf_export_pipeline.adapters.postgres.memberships import PROJECT_MEMBERS, is_member, may_see
from lf_export_pipeline.adapters.postgres.postgres_errors import (
    INSERTED_COLUMNS,
    inserting_errors,
    postgres_errors,
)
from lf_export_pipeline.adapters.postgres.secret_values import hand_over
from lf_export_pipeline.core.ports import Recipient
from lf_export_pipeline.core.request.admission import QUERY_MAX_BYTES
from lf_export_pipeline.core.request.export_search import ExportSearch
from lf_export_pipeline.core.request.model import ExportRow, StoredExport
from lf_export_pipeline.core.request.ownership import Claim, mark_of

_USERS = sa.table("users", *map(sa.column, ("id", "email", "name")))
_C = EXPORTS.c
_NOTHING_LEFT = {"log": None, "url": None, "finished_at": None, "expires_at": None}
_LINK = sa.table("lf_export_link", sa.column("url"), schema="pg_temp")
_OLDEST_FIRST = (_C.created_at, _C.id)
_IS_WAITING = _C.status == "QUEUED"


class PostgresBatchExportRepository:
    """An ``BatchExportRepository`` on Langfuse's database. Threads may share it.

    Args:
        engine: The database.
        require_membership: Whether a recipient must have a role by which the project can be seen.
        query_max_bytes: What a stored query may have; a longer one stays in the database.
    """

    def __init__(
        self,
        engine: sa.Engine,
        *,
        require_membership: bool = True,
        query_max_bytes: int = QUERY_MAX_BYTES,
    ) -> None:
        self._engine = engine
        self._require_membership = require_membership
        self._query_max_bytes = query_max_bytes
        self._columns = without_query(EXPORTS, query_max_bytes)

    def get(self, export_id: str) -> ExportRow | None:
        """The row as it is now."""
        found = self._read(self._rows().where(_C.id == export_id))
        return found[0] if found else None

    def stored(self, export_id: str) -> StoredExport | None:
        """The row with its query, or with an ``OversizedQuery`` in its place."""
        columns = with_query(EXPORTS, self._query_max_bytes)
        query = sa.select(*columns).where(_C.id == export_id)
        with postgres_errors(), self._engine.connect() as connection:
            found = connection.execute(query).mappings().first()
        return stored_export(found, self._query_max_bytes) if found else None

    def oldest_queued(self) -> ExportRow | None:
        """The row that was queued before all others, however long ago it was asked for."""
        waiting = self._rows().where(_IS_WAITING)
        found = self._read(waiting.order_by(_C.updated_at, _C.id).limit(1))
        return found[0] if found else None

    def list_queued(
        self, per_project: int, limit: int, without: Collection[str] = ()
    ) -> list[ExportRow]:
        """QUEUED rows, in turns of the projects; two short sorts, however many rows wait."""
        turn = sa.func.row_number().over(partition_by=_C.project_id, order_by=_OLDEST_FIRST)
        queued = sa.select(_C.id, turn.label("turn")).where(
            _IS_WAITING, _C.id != sa.all_(_text_array(without))
        )
        turns = queued.subquery()
        chosen = self._rows().join(turns, turns.c.id == _C.id)
        in_turns = chosen.where(turns.c.turn <= per_project).order_by(turns.c.turn, *_OLDEST_FIRST)
        return self._read(in_turns.limit(limit))

    def search(self, wanted: ExportSearch) -> list[ExportRow]:
        """The rows for which all conditions hold, oldest first."""
        found = self._rows().where(*_conditions(wanted))
        return self._read(found.order_by(*_OLDEST_FIRST).limit(wanted.limit))

    def recent(self, limit: int) -> list[ExportRow]:
        """The newest rows of any status, newest first."""
        return self._read(self._rows().order_by(_C.created_at.desc(), _C.id).limit(limit))

    def add(self, row: StoredExport) -> bool:
        """Insert a row, as Langfuse's web app does; False: there is one of this id, which stays.

        Columns without a value are not named: the right to insert is one to certain columns.
        """
        given = {column.name: getattr(row, column.name) for column in EXPORTS.columns}
        values = {name: value for name, value in given.items() if value is not None}
        new = insert(EXPORTS).values(_stored(values)).on_conflict_do_nothing(index_elements=[_C.id])
        with inserting_errors(), self._engine.begin() as connection:
            return connection.execute(new.returning(_C.id)).first() is not None

    def may_add(self) -> bool:
        """Whether the user of this database has the right to insert rows."""
        granted = [
            sa.func.has_column_privilege(EXPORTS.name, name, "INSERT") for name in INSERTED_COLUMNS
        ]
        with postgres_errors(), self._engine.connect() as connection:
            return bool(connection.scalar(sa.select(sa.and_(*granted))))

    def start(self, export_id: str, owner: str, unchanged_since: datetime | None = None) -> bool:
        """→ PROCESSING, taken by a chain of runs and cleared of an earlier attempt."""
        values = {**_NOTHING_LEFT, "status": "PROCESSING", "log": mark_of(owner)}
        return self._change(export_id, startable(owner, unchanged_since), **values)

    def complete(
        self,
        export_id: str,
        owner: str,
        url: str,
        *,
        finished_at: datetime,
        expires_at: datetime,
        log: str | None,
    ) -> bool:
        """PROCESSING or FAILED → COMPLETED in one statement; False: the row is another's by now.

        The link comes from a table of this transaction, never in a statement (``hand_over``).
        """
        change = _change(
            export_id,
            publishable(owner),
            status="COMPLETED",
            url=sa.select(_LINK.c.url).scalar_subquery(),
            finished_at=finished_at,
            expires_at=expires_at,
            log=log,
        )
        with postgres_errors(), self._engine.begin() as connection:
            hand_over(connection, _LINK.name, storable(url))
            return connection.execute(change).first() is not None

    def fail(
        self,
        export_id: str,
        user_message: str,
        finished_at: datetime,
        claim: Claim | None = None,
    ) -> bool:
        """QUEUED or PROCESSING → FAILED with the user's sentence."""
        return self._change(
            export_id, endable(claim), status="FAILED", log=user_message, finished_at=finished_at
        )

    def cancel(self, export_id: str, claim: Claim | None = None) -> bool:
        """QUEUED or PROCESSING → CANCELLED."""
        return self._change(export_id, endable(claim), status="CANCELLED", log=None)

    def requeue(self, export_id: str, only: str | None = None) -> bool:
        """FAILED, CANCELLED or COMPLETED, or one of them → QUEUED, as if it had never run."""
        ended = _C.status.in_([only] if only else ["FAILED", "CANCELLED", "COMPLETED"])
        return self._change(export_id, ended, status="QUEUED", **_NOTHING_LEFT)

    def requeue_lost(self, export_id: str, untouched_since: datetime) -> bool:
        """PROCESSING → QUEUED, as if it had never run, unless it was changed after that instant."""
        lost = sa.and_(_C.status == "PROCESSING", _C.updated_at <= storable(untouched_since))
        return self._change(export_id, lost, status="QUEUED", **_NOTHING_LEFT)

    def touch(self, export_id: str, owner: str) -> bool:
        """PROCESSING stays PROCESSING, changed now: the sign that its owner works on it."""
        return self._change(export_id, touchable(owner))

    def recipient(self, user_id: str, project_id: str) -> Recipient | None:
        """The user, if there is one with an e-mail address who may see the project's data.

        Raises:
            ConfigurationError: Roles in projects are there, and may not be read: the one of this
                user might be NONE.
        """
        if not self._require_membership:
            return self._recipient(_USERS.c.id == user_id)
        sees = may_see if self._knows_roles_in_projects() else is_member
        return self._recipient(_USERS.c.id == user_id, sees(user_id, project_id))

    def _knows_roles_in_projects(self) -> bool:
        """Whether this Langfuse is new enough; also if the table may not be read."""
        query = sa.select(sa.func.to_regclass(PROJECT_MEMBERS.name).is_not(None))
        with postgres_errors(), self._engine.connect() as connection:
            return bool(connection.scalar(query))

    def _recipient(self, *conditions: sa.ColumnElement[bool]) -> Recipient | None:
        query = sa.select(_USERS.c.email, _USERS.c.name).where(_USERS.c.email != "", *conditions)
        with postgres_errors(), self._engine.connect() as connection:
            found = connection.execute(query).first()
        return Recipient(found.email, found.name) if found else None

    def _rows(self) -> sa.Select[Any]:
        return sa.select(*self._columns)

    def _read(self, query: sa.Select[Any]) -> list[ExportRow]:
        with postgres_errors(), self._engine.connect() as connection:
            found: Sequence[sa.RowMapping] = connection.execute(query).mappings().all()
        return [export_row(row) for row in found]

    def _change(self, export_id: str, guard: sa.ColumnElement[bool], **values: object) -> bool:
        change = _change(export_id, guard, **values)
        with postgres_errors(), self._engine.begin() as connection:
            return connection.execute(change).first() is not None


def _change(export_id: str, guard: sa.ColumnElement[bool], **values: object) -> sa.Executable:
    now = sa.text("clock_timestamp() AT TIME ZONE 'UTC'")
    change = sa.update(EXPORTS).where(_C.id == export_id, guard)
    return change.values(_stored(values) | {"updated_at": now}).returning(_C.id)


def _text_array(values: Collection[str]) -> sa.ColumnElement[Any]:
    """Any number of texts as one bound array."""
    return sa.cast(sa.literal(list(values), ARRAY(sa.Text)), ARRAY(sa.Text))


def _conditions(search: ExportSearch) -> list[sa.ColumnElement[bool]]:
    chosen = {
        _C.id: search.ids,
        _C.status: search.statuses,
        _C.project_id: search.projects,
        table_word(EXPORTS): search.tables,
    }
    among = [column == sa.any_(_text_array(values)) for column, values in chosen.items() if values]
    return among + _said(search.log_contains) + _timely(search)


def _said(text: str | None) -> list[sa.ColumnElement[bool]]:
    return [_C.log.icontains(storable(text), autoescape=True)] if text else []


def _timely(search: ExportSearch) -> list[sa.ColumnElement[bool]]:
    instants = (
        (search.created_since, _C.created_at.__ge__),
        (search.created_until, _C.created_at.__lt__),
        (search.finished_since, _C.finished_at.__ge__),
    )
    return [holds(storable(instant)) for instant, holds in instants if instant is not None]


def _stored(values: dict[str, Any]) -> dict[str, Any]:
    """Values as the table keeps them."""
    return {name: storable(value) for name, value in values.items()}
