"""What Dagster may record of an exception that nobody has foreseen: what it is, not what it says.

A client's own exceptions are known, and mapped where they enter (``resources``). What passes that
by is a mistake in the program or its data, and what it quotes is anything: a header with the access
key, an address with its password, a user's cell. Operators keep the kind of each exception in
the chain and its traceback, which name the file, the line and the source of what failed. They lose
the message; to see that, call the line with the same values in a shell.
"""

from collections.abc import Iterator
from contextlib import contextmanager

MISTAKES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NameError,
    TypeError,
    ValueError,
)


class MistakeError(Exception):
    """Stands for an exception whose words are left out; the traceback is that exception's."""


def wordless(error: BaseException) -> MistakeError:
    """The same chain of exceptions with their kinds and tracebacks, without what they say."""
    words = f"{type(error).__name__}; what it says is left out"
    told = MistakeError(words).with_traceback(error.__traceback__)
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    told.__cause__ = wordless(cause) if cause else None
    return told


@contextmanager
def mistakes_without_words() -> Iterator[None]:
    """For what Dagster calls outside of the export's ops; a decorator of functions as well.

    Raises:
        MistakeError: Instead of what would happen again, since it is a mistake in the program.
    """
    try:
        yield
    except MISTAKES as error:
        told = wordless(error)
        raise told from told.__cause__
