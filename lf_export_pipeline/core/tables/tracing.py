"""What the exports of traces, observations and events share: comments and score columns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from lf_export_pipeline.core.query.chosen_columns import chosen_columns
from lf_export_pipeline.core.query.columns import OutputColumn
from lf_export_pipeline.core.query.comments import (
    CommentSelection,
    apply_comment_filters,
    comment_preflight_queries,
)
from lf_export_pipeline.core.query.export_query import Answers, ExportQuery, Lookup, LookupScope
from lf_export_pipeline.core.query.key_scan import ChunkRows, VersionedTable, row_size_sample
from lf_export_pipeline.core.query.lookups import are_few_comments, comments_count_statement
from lf_export_pipeline.core.query.score_columns import (
    ScoreGroups,
    score_cells_lookup,
    score_headers,
)
from lf_export_pipeline.core.query.score_names import (
    COUNT_ANSWER,
    NAMES_ANSWER,
    are_few_scores,
    score_count_statement,
    score_names,
    score_names_statement,
    score_types,
)
from lf_export_pipeline.core.query.selection import time_from
from lf_export_pipeline.core.query.statement import Params, Statement
from lf_export_pipeline.core.request.admission import ExportLimits
from lf_export_pipeline.core.request.column_groups import SCORES
from lf_export_pipeline.core.request.model import ExportRequest

COMMENTS_ANSWER = "comment_count"


@dataclass(frozen=True, slots=True)
class TableContext:
    """What there is to look up for the rows."""

    score_names: tuple[str, ...]
    few_scores: bool
    few_comments: bool

    def score_cells(self, scores: ScoreGroups, params: Params) -> Lookup:
        """The lookup of the scores of a chunk or, where there are few, of the whole project."""
        scope = LookupScope.ONCE if self.few_scores else LookupScope.CHUNK
        return score_cells_lookup(scores.entries(), self.score_names, params, scope=scope)


class TracingTable:
    """The common part of such a table; its own part says how its rows are read."""

    table: VersionedTable
    object_type: Literal["TRACE", "OBSERVATION"]  # what its comments are attached to
    time_spellings: tuple[str, ...]  # of the time column, where Langfuse bounds score names by it
    wide_columns: tuple[str, ...]  # what the size of a row depends on
    order: tuple[str, ...] = ()  # of the rows, before that of the sorting key
    has_score_columns = True

    def preflight_queries(
        self, request: ExportRequest, limits: ExportLimits
    ) -> Mapping[str, Statement]:
        """Score names, how much there is to look up, and the ids that comment filters select."""
        asked = comment_preflight_queries(request, self.object_type, limits)
        if "comments" not in request.left_out:
            project_id = request.project_id
            asked[COMMENTS_ANSWER] = comments_count_statement(self.object_type, project_id)
        if SCORES in request.left_out:
            return asked
        lower = time_from(request.query.filter, self.time_spellings)
        names = score_names_statement(
            request.project_id,
            request.created_at,
            lower,
            self.table.store,
            limits.score_columns_bytes,
            with_types=not request.format.is_text,
        )
        return {
            NAMES_ANSWER: names,
            COUNT_ANSWER: score_count_statement(request.project_id, self.table.store),
            **asked,
        }

    def query(
        self,
        request: ExportRequest,
        answers: Answers,
        limits: ExportLimits,
        *,
        columns: tuple[OutputColumn, ...],
        key_scan: Callable[[CommentSelection], Statement],
        fields: Mapping[str, str],
        lookups: Callable[[TableContext], tuple[Lookup, ...]],
    ) -> ExportQuery:
        """The reading as data.

        Args:
            request: The export.
            answers: The rows of ``preflight_queries``.
            limits: What bounds it.
            columns: The base columns.
            key_scan: The scan, given what comment filters leave.
            fields: What is read for them: Arrow field ← expression.
            lookups: The lookups, given what there is to look up.
        """
        comments = apply_comment_filters(request, answers, limits)
        with_scores = SCORES not in request.left_out
        names = score_names(answers, limits) if with_scores else ()
        has_types = with_scores and not request.format.is_text
        context = TableContext(
            score_names=names,
            few_scores=are_few_scores(answers),
            few_comments=are_few_comments(answers.get(COMMENTS_ANSWER, [])),
        )
        chosen = chosen_columns(request, columns, lookups(context))
        read = chosen.fields(fields)
        wide = chosen.sampled(self.wide_columns, read)
        params = Params()
        rows = ChunkRows(self.table, params.bind(request.project_id, "String"), read, self.order)
        return ExportQuery(
            request=request,
            columns=chosen.columns,
            score_columns=score_headers(names, (column.name for column in columns)),
            score_types=score_types(answers) if has_types else (),
            key_scan=None if comments.nothing_matches else key_scan(comments),
            chunk_rows=rows.statement(params),
            sample=row_size_sample(self.table, request.project_id, wide),
            lookups=chosen.lookups,
            row_limit=limits.row_limit,
            source=self.table.row_source,
        )
