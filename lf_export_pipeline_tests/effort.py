"""How much is tried: a share of the examples in the short form, all of them in the long one."""

import os

IS_LONG = os.environ.get("LF_EXPORT_TESTS") == "all"
"""Set by ``make test-all``."""

SHORT_SHARE = 4


def examples(number: int) -> int:
    """How many examples hypothesis makes where the long form makes this many."""
    return number if IS_LONG else max(5, number // SHORT_SHARE)
