"""How a text reaches Postgres that must not be in its log.

Values that are bound stand in the text of a statement (psycopg2), or beside it as parameters. Both
are logged by a server that logs statements, slow ones or those that fail, by default in full; the
text is also in ``pg_stat_activity``. The data of a COPY are in neither.
"""

import io
from contextlib import closing

import psycopg2
import sqlalchemy as sa

from lf_export_pipeline.adapters.postgres.postgres_errors import from_client

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def hand_over(connection: sa.Connection, table: str, text: str) -> None:
    """Put a text into ``pg_temp.<table>``, column ``url``, until the transaction ends.

    Every user of a database may make temporary tables, unless an operator has taken that away.

    Args:
        connection: In a transaction.
        table: A name of ours.
        text: The secret; one row.

    Raises:
        ExportError: As for every statement, but without the client's own error, which may quote
            the line that was sent.
    """
    connection.execute(sa.text(f"CREATE TEMPORARY TABLE {table} (url text) ON COMMIT DROP"))
    line = io.StringIO(f"{text.translate(_ESCAPES)}\n")
    try:
        with closing(connection.connection.cursor()) as cursor:
            cursor.copy_expert(f"COPY pg_temp.{table} FROM STDIN", line)
    except psycopg2.Error as error:
        failure = from_client(error)
    else:
        return
    raise failure
