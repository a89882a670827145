"""Instants of Postgres as text."""


def iso_instant(column: str) -> str:
    """``2031-02-20T00:00:00.000Z``: an instant as JavaScript writes it, cut to milliseconds.

    Years before 1 and after 9999 have a sign and six digits; 1 BC is the year 0. What is no instant
    (``infinity``) stays the word that Postgres has for it.
    """
    year = f"EXTRACT(year FROM {column})"
    sign = f"to_char({year} + CAST({year} < 0 AS integer), 'SG000000')"
    day = """MM-DD"T"HH24:MI:SS.MS"Z\""""
    return (
        f"CASE WHEN NOT isfinite({column}) THEN CAST({column} AS text) "
        f"WHEN {year} BETWEEN 1 AND 9999 THEN to_char({column}, 'YYYY-{day}') "
        f"ELSE {sign} || to_char({column}, '-{day}') END"
    )
