"""What Dagster may record of an exception that nobody has foreseen: what it is, not what it says.

A client's own exceptions are known, and mapped where they enter (``adapters``). What passes that
by is mostly a mistake in the program or its data, and what it quotes is anything: a header with
the access key, an address with its password, a user's cell. Operators keep the kind of each
exception in the chain and its traceback, which name the file, the line and the source of what
failed. They lose the message; to see that, call the line with the same values in a shell.
"""

MISTAKES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NameError,
    TypeError,
    ValueError,
)
"""What would happen again, however often it is tried."""


class RedactedError(Exception):
    """Stands for an exception whose words are left out; the traceback is that exception's.

    Attributes:
        kind: The name of that exception's class.
        is_mistake: Whether it would happen again.
    """

    def __init__(self, error: BaseException) -> None:
        self.kind = type(error).__name__
        self.is_mistake = isinstance(error, MISTAKES)
        super().__init__(f"{self.kind}; what it says is left out")


def redacted(error: BaseException) -> RedactedError:
    """The same chain of exceptions with their kinds and tracebacks, without what they say."""
    told = RedactedError(error).with_traceback(error.__traceback__)
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    told.__cause__ = redacted(cause) if cause else None
    return told
