"""Columns that Postgres knows: comments, model prices, names of users."""

from lf_export_pipeline.core.query import Lookup, LookupScope
from lf_export_pipeline.core.statement import Statement, Store

_INSTANT = """'"' || to_char({column}, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') || '"'"""

_COMMENTS = f"""
SELECT c.object_id AS key,
       '[' || string_agg(
           '{{"id":' || to_json(c.id)::text
           || ',"content":' || to_json(c.content)::text
           || ',"author_email":' || coalesce(to_json(u.email)::text, 'null')
           || ',"created_at":' || {_INSTANT.format(column="c.created_at")} || '}}',
           ',' ORDER BY c.created_at, c.id) || ']' AS comments
FROM comments c LEFT JOIN users u ON u.id = c.author_user_id
WHERE c.project_id = :project_id AND c.object_type = CAST(:object_type AS "CommentObjectType")
  AND c.object_id = ANY(:keys)
GROUP BY c.object_id
"""

_MODELS = """
SELECT m.id AS key, m.id AS "modelId",
       max(trim_scale(p.price)) FILTER (WHERE p.usage_type = 'input')::text AS "inputPrice",
       max(trim_scale(p.price)) FILTER (WHERE p.usage_type = 'output')::text AS "outputPrice",
       max(trim_scale(p.price)) FILTER (WHERE p.usage_type = 'total')::text AS "totalPrice"
FROM models m
LEFT JOIN pricing_tiers t ON t.model_id = m.id AND t.is_default
LEFT JOIN prices p ON p.model_id = m.id AND p.pricing_tier_id = t.id
WHERE m.project_id = :project_id OR m.project_id IS NULL
GROUP BY m.id
"""


def comments_lookup(object_type: str, project_id: str, key: str = "id") -> Lookup:
    """``comments``: all comments of each object as a JSON array, oldest first, ``[]`` for none.

    Langfuse: comments made after the cutoff are exported too.
    """
    return Lookup(
        key=key,
        scope=LookupScope.BATCH,
        statement=Statement(
            store=Store.POSTGRES,
            sql=_COMMENTS,
            params={"project_id": project_id, "object_type": object_type},
        ),
        defaults={"comments": "[]"},
    )


def models_lookup(project_id: str, key: str) -> Lookup:
    """The model's id and the prices of its default tier, as decimals in text; null for an unknown model.

    Langfuse: a model belongs to the project or, without a project, to everyone.
    """
    return Lookup(
        key=key,
        scope=LookupScope.ONCE,
        statement=Statement(store=Store.POSTGRES, sql=_MODELS, params={"project_id": project_id}),
        defaults={"modelId": None, "inputPrice": None, "outputPrice": None, "totalPrice": None},
    )
