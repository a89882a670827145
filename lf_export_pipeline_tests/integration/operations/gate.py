"""A door in front of ClickHouse: it counts the queries of exports and holds chosen ones back."""

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from threading import Condition
from urllib.parse import unquote_plus

from lf_export_pipeline_tests.integration.adapters.proxy import Request

COMMENT = re.compile(r'\{"export_id": "[^{}]+\}')
HOLD_MAX_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Query:
    """A query of an op, as its ``log_comment`` says."""

    export_id: str
    run_id: str
    op: str


@dataclass
class Gate:
    """Called by the proxy with each request; a query that is held waits until it is let go.

    Attributes:
        asked: All queries of exports, in the order in which they came.
    """

    asked: list[Query] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._changed = Condition()
        self._held: dict[tuple[str, str], int] = {}

    def __call__(self, request: Request) -> None:
        comment = COMMENT.search(
            unquote_plus(request.path + request.body.decode("utf-8", "replace"))
        )
        if comment is None:
            return
        query = Query(**json.loads(comment.group()))
        with self._changed:
            self.asked.append(query)
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._is_held(query), HOLD_MAX_SECONDS)

    def hold(self, export_id: str, op: str, after: int) -> None:
        """Let so many queries of an op pass, and no more."""
        with self._changed:
            self._held[export_id, op] = after

    def let_go(self, *export_ids: str) -> None:
        """Let everything of these exports pass, or of all, also what is held now."""
        with self._changed:
            kept = {} if not export_ids else self._held
            self._held = {key: after for key, after in kept.items() if key[0] not in export_ids}
            self._changed.notify_all()

    def held(self, export_id: str) -> list[Query]:
        """The queries of an export that have been held or still are."""
        with self._changed:
            return [
                query
                for query in self.asked
                if query.export_id == export_id and self._is_held(query)
            ]

    def count(self, export_id: str, op: str) -> int:
        """How many queries of an op have come, those that are held among them."""
        with self._changed:
            return self._counts()[export_id, op]

    def _is_held(self, query: Query) -> bool:
        key = (query.export_id, query.op)
        return key in self._held and self._counts()[key] > self._held[key]

    def _counts(self) -> Counter[tuple[str, str]]:
        return Counter((query.export_id, query.op) for query in self.asked)
