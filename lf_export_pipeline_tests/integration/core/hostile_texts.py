"""Texts that try to leave their quotes, each with a marker that nobody else writes."""

MARKER = "hostile7f3a"
HOSTILE = [
    f"{MARKER}' OR 1 = 1 --",
    f"{MARKER}\\' OR '1' = '1",
    f'{MARKER}" OR "1" = "1',
    f"{MARKER}') UNION ALL SELECT * FROM traces --",
    f"{MARKER}`; DROP TABLE traces; --",
    f"{MARKER} {{p0:String}} {{no_such:UInt8}} :keys :project_id %(x)s %s",
    f"{MARKER} /*keys:t.id*/ */ /* {{lo_0:Date}}",
    f"{MARKER}\\",
    f"\\N{MARKER}",
    f"{MARKER}\n\t\r\x7f\u2028\u202e\ufeff",
    f"{MARKER} % _ %% \\% \\",
    f"{MARKER}" + "'\\" * 450,  # as long as a name may be
    f"{MARKER}\U0001f600\u00e9",
]
STORED, ABSENT = HOSTILE[::2], HOSTILE[1::2]
"""Half of them are in rows; the others match nothing."""
