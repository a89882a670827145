"""Which columns an export leaves out, by their names or by groups of them.

The groups are those of Langfuse's blob storage integration (``OBSERVATION_FIELD_GROUPS_FULL``), for
all tables; ``scores`` is ours. Columns that stand beside those of a group in exported files only,
such as ``inputCost``, are of that group.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from lf_export_pipeline.core.errors import InvalidQueryError
from lf_export_pipeline.core.request.options import ExportOptions
from lf_export_pipeline.core.request.validation_messages import join_limited, quote_value

SCORES = "scores"
"""The group of all score columns, and what stands for them among columns that are left out."""

GROUP_PREFIX = "group:"
"""What says that a name is that of a group, where a column has the same name."""

EVERYWHERE = "*"

GROUPS: Mapping[str, tuple[str, ...]] = {
    "core": (
        *("id", "traceId", "startTime", "endTime", "timestamp"),
        *("projectId", "parentObservationId", "type"),
    ),
    "basic": (
        *("name", "level", "statusMessage", "version", "environment"),
        *("bookmarked", "public", "userId", "sessionId"),
    ),
    "time": ("completionStartTime", "createdAt", "updatedAt"),
    "io": ("input", "output", "expectedOutput"),
    "metadata": ("metadata",),
    "model": ("model", "providedModelName", "internalModelId", "modelId", "modelParameters"),
    "usage": (
        *("usageDetails", "providedUsageDetails", "costDetails", "providedCostDetails"),
        *("inputCost", "outputCost", "totalCost", "inputUsage", "outputUsage", "totalUsage"),
        *("totalTokens", "usagePricingTierId", "usagePricingTierName"),
        *("inputPrice", "outputPrice", "totalPrice"),
    ),
    "prompt": ("promptId", "promptName", "promptVersion"),
    "metrics": ("latency", "timeToFirstToken", "latencyMs", "timeToFirstTokenMs"),
    "tools": (
        *("toolDefinitions", "toolCalls", "toolCallNames"),
        *("toolDefinitionsCount", "toolCallsCount"),
    ),
    "trace_context": ("tags", "release", "traceName", "traceTags", "traceTimestamp"),
    SCORES: (SCORES,),
}


@dataclass(frozen=True, slots=True)
class ForbiddenColumns:
    """What no export of a project may hold: names of columns and groups, by project or ``*``."""

    by_project: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def of(self, project_id: str) -> frozenset[str]:
        """The columns that a project's files have to do without, whatever their table.

        A name that a column and a group have means both.
        """
        named = self.by_project.get(EVERYWHERE, frozenset()) | self.by_project.get(
            project_id, frozenset()
        )
        return frozenset(column for name in named for column in (name, *GROUPS.get(name, ())))


def forbidden_columns(text: str, known: Iterable[str]) -> ForbiddenColumns:
    """``project-id:input,output;*:metadata`` as data.

    Args:
        text: As operators write it.
        known: The columns of all tables.

    Raises:
        ValueError: It is something else; the message says what is expected.
    """
    names = {*known, *GROUPS}
    found: dict[str, frozenset[str]] = {}
    for entry in filter(None, map(str.strip, text.split(";"))):
        project, colon, listed = map(str.strip, entry.partition(":"))
        columns = [each.strip().removeprefix(GROUP_PREFIX) for each in listed.split(",")]
        is_project = bool(project) and (project == EVERYWHERE or not {*project} & {*"*,"})
        if not (colon and is_project and all(columns)):
            raise ValueError("project-id:column,column;project-id:column, with * for all projects")
        for name in columns:
            if name not in names:
                raise ValueError(f"columns and groups of exports: {_unknown(name, names)}")
        found[project] = found.get(project, frozenset()) | {*columns}
    return ForbiddenColumns(found)


@dataclass(frozen=True, slots=True)
class TableColumns:
    """What there is to choose from in one table."""

    table: str
    names: Sequence[str]  # of the base columns, in the order of the file
    has_scores: bool

    def left_out(self, options: ExportOptions) -> frozenset[str]:
        """The columns that an export asks to be left out; ``scores`` stands for score columns.

        Raises:
            InvalidQueryError: A name is not known here, no name is given, or both lists are.
        """
        if options.columns is not None and options.without is not None:
            raise InvalidQueryError(
                "The export names the columns it wants and those it does not want; please use "
                "'columns' or 'without', not both."
            )
        if options.without is not None:
            return self._meant("without", options.without)
        if options.columns is not None:
            return self._all - self._meant("columns", options.columns)
        return frozenset()

    def in_order(self, names: frozenset[str]) -> tuple[str, ...]:
        """Those of the names that are columns here, in the order of the file."""
        return tuple(name for name in self._ordered if name in names)

    def require_some(self, left_out: frozenset[str], forbidden: frozenset[str]) -> None:
        """Refuse a file without columns, or with score columns alone, which may not be there.

        Raises:
            InvalidQueryError: Nothing else is left.
        """
        if not left_out.issuperset(self.names):
            return
        why = ""
        if not forbidden.isdisjoint(self.names):
            barred = join_limited(self.in_order(forbidden))
            why = f" In this project no export may hold {barred}: the operator has forbidden it."
        beside = " beside those of scores" if self.has_scores and SCORES not in left_out else ""
        allowed = [name for name in self.names if name not in forbidden]
        please = f" Please choose some of {join_limited(allowed)}." if allowed else ""
        raise InvalidQueryError(
            f"No column of {self.table} is left for the file{beside}.{why}{please}"
        )

    @property
    def _ordered(self) -> tuple[str, ...]:
        return (*self.names, *([SCORES] if self.has_scores else []))

    @property
    def _all(self) -> frozenset[str]:
        return frozenset(self._ordered)

    def _meant(self, option: str, listed: Sequence[str]) -> frozenset[str]:
        if not listed:
            raise InvalidQueryError(f"'{option}' names no column; please leave it out.")
        return frozenset(column for name in listed for column in self._columns_of(name))

    def _columns_of(self, name: str) -> tuple[str, ...]:
        if name in self.names:
            return (name,)
        group = name.removeprefix(GROUP_PREFIX)
        found = self.in_order(frozenset(GROUPS.get(group, ())))
        if found:
            return found
        if group in GROUPS:
            raise InvalidQueryError(
                f"{self.table} has no column of the group {group}; its columns are "
                f"{join_limited(self.names)}."
            )
        known = [*self.names, *(g for g, of in GROUPS.items() if not self._all.isdisjoint(of))]
        raise InvalidQueryError(f"Of {self.table}, {_unknown(name, known)}.")


def _unknown(name: str, known: Iterable[str]) -> str:
    by_lower = {each.lower(): each for each in sorted(known)}
    close = get_close_matches(name[:80].lower(), by_lower, n=3)
    similar = f" (similar: {', '.join(by_lower[each] for each in close)})" if close else ""
    return f"{quote_value(name)} is no column and no group of columns{similar}"
