"""Columns that Postgres knows: comments, model prices, names of users."""

from collections.abc import Sequence

from lf_export_pipeline.core.query.export_query import Lookup, LookupScope
from lf_export_pipeline.core.query.postgres_dates import iso_instant
from lf_export_pipeline.core.query.statement import Statement, Store

_COMMENTS = f"""
SELECT c.object_id AS key,
       '[' || string_agg(
           '{{"id":' || to_json(c.id)::text
           || ',"content":' || to_json(c.content)::text
           || ',"author_email":' || coalesce(to_json(u.email)::text, 'null')
           || ',"created_at":"' || {iso_instant("c.created_at")} || '"}}',
           ',' ORDER BY c.created_at, c.id) || ']' AS comments
FROM comments c LEFT JOIN users u ON u.id = c.author_user_id
WHERE c.project_id = :project_id AND c.object_type = CAST(:object_type AS "CommentObjectType")
"""
_OF_BATCH = "  AND c.object_id = ANY(:keys)\n"
_OF_OBJECT = "GROUP BY c.object_id"
_COUNTED = """
SELECT count(*), coalesce(sum(length(content)), 0) FROM (
    SELECT content FROM comments
    WHERE project_id = :project_id AND object_type = CAST(:object_type AS "CommentObjectType")
    LIMIT :most
) AS few
"""
FEW_COMMENTS = 5_000
FEW_CHARACTERS = 4_000_000

_PRICE = "max(price) FILTER (WHERE usage_type = '{usage}')"

_MODELS = f"""
SELECT id AS key, id AS "modelId",
       {{input}} AS "inputPrice", {{output}} AS "outputPrice", {{total}} AS "totalPrice"
FROM (
    SELECT m.id, {_PRICE.format(usage="input")} AS input, {_PRICE.format(usage="output")} AS output,
           {_PRICE.format(usage="total")} AS total
    FROM models m
    LEFT JOIN pricing_tiers t ON t.model_id = m.id AND t.is_default
    LEFT JOIN (
        SELECT model_id, pricing_tier_id, usage_type, CAST(price AS float8) AS price FROM prices
    ) p ON p.model_id = m.id AND p.pricing_tier_id = t.id
    WHERE m.project_id = :project_id OR m.project_id IS NULL
    GROUP BY m.id
) AS priced
"""


_USERS = 'SELECT id AS key, name AS "{column}" FROM users WHERE id = ANY(:keys)'


def _as_javascript(column: str) -> str:
    """The text that JavaScript gives a double: an exponent below 1e-6 and from 1e21 on."""
    return (
        f"CASE WHEN {column} <> 0 AND (abs({column}) < 1e-6 OR abs({column}) >= 1e21) "
        f"THEN replace(CAST({column} AS text), 'e-0', 'e-') "
        f"ELSE CAST(trim_scale(CAST(CAST({column} AS text) AS numeric)) AS text) END"
    )


def comments_count_statement(object_type: str, project_id: str) -> Statement:
    """How many comments there are on a kind of object, and their characters; counted up to a limit.

    The answer goes to ``are_few_comments``.
    """
    most = FEW_COMMENTS + 1
    return Statement(
        store=Store.POSTGRES,
        sql=_COUNTED,
        params={"project_id": project_id, "object_type": object_type, "most": most},
    )


def are_few_comments(answer: Sequence[tuple[object, ...]]) -> bool:
    """Whether all of them together are less than what a batch of rows takes."""
    return any(
        int(str(count)) <= FEW_COMMENTS and int(str(characters)) <= FEW_CHARACTERS
        for count, characters in answer
    )


def comments_lookup(object_type: str, project_id: str, *, are_few: bool = False) -> Lookup:
    """``comments``: all comments of each object as a JSON array, oldest first, ``[]`` for none.

    Langfuse: comments made after the cutoff are exported too.

    Args:
        object_type: The kind of object.
        project_id: The project.
        are_few: All of the project's comments are fetched at once. Sending the ids of each batch
            costs more than a few thousand comments do.
    """
    return Lookup(
        key="id",
        scope=LookupScope.ONCE if are_few else LookupScope.BATCH,
        statement=Statement(
            store=Store.POSTGRES,
            sql=_COMMENTS + ("" if are_few else _OF_BATCH) + _OF_OBJECT,
            params={"project_id": project_id, "object_type": object_type},
        ),
        defaults={"comments": "[]"},
    )


def models_lookup(project_id: str, key: str) -> Lookup:
    """The model's id and the prices of its default tier; all null for an unknown model.

    Langfuse: a model belongs to the project or, without a project, to everyone; a price is a
    double.
    """
    sql = _MODELS.format(**{usage: _as_javascript(usage) for usage in ("input", "output", "total")})
    return Lookup(
        key=key,
        scope=LookupScope.ONCE,
        statement=Statement(store=Store.POSTGRES, sql=sql, params={"project_id": project_id}),
        defaults={"modelId": None, "inputPrice": None, "outputPrice": None, "totalPrice": None},
    )


def user_names_lookup(column: str, key: str) -> Lookup:
    """The name of a user, null for one without a name and for nobody.

    Langfuse: users are not bound to a project, so the name of a former member is still shown.

    Args:
        column: What the column is called; a name of ours.
        key: The field that holds the user's id.
    """
    return Lookup(
        key=key,
        scope=LookupScope.BATCH,
        statement=Statement(store=Store.POSTGRES, sql=_USERS.format(column=column)),
        defaults={column: None},
    )
