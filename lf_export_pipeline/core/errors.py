"""The errors an export can end with.

::

    ExportError
    ├── PermanentError            trying again cannot help; the sentence is shown to the user
    │   ├── InvalidQueryError     the stored query is not one that can be exported
    │   ├── InvalidFilterError    a filter or an order cannot be applied to this table
    │   ├── TimeLimitError        a store took longer than it may; trying again costs it as much
    │   ├── InterruptedExportError  whoever started it in a shell has ended it
    │   └── ConfigurationError    a setting is missing or wrong; only an operator can help
    │       └── AccessRefusedError  a service knows us, and does not let us do this
    ├── TransientError            a service had a bad moment; trying again may help
    │   ├── UploadLostError       the bucket does not have what was sent to it; it is sent anew
    │   ├── AnswerLostError       it may have done what was asked; trying again may do it twice
    │   └── MessageDeferredError  it works, and does not take this one message for now
    └── ExportCancelledError      the user or an operator stopped it; nothing is to be published

Errors of client libraries are turned into one of these where they enter, in ``adapters``.
"""

GENERIC_USER_MESSAGE = (
    "An internal error occurred. The operator of this installation can see the cause."
)


class ExportError(Exception):
    """The base of everything an export raises on purpose."""

    @property
    def user_message(self) -> str:
        """What the user reads in ``batch_exports.log``: never a dump, never a secret."""
        return GENERIC_USER_MESSAGE


class PermanentError(ExportError):
    """Trying again cannot help; the message is a sentence that a user can act on."""

    @property
    def user_message(self) -> str:
        """The message itself: permanent errors are written for users."""
        return str(self)


class InvalidQueryError(PermanentError):
    """The stored query does not say what to export."""


class InvalidFilterError(PermanentError):
    """A filter, a search or an order cannot be applied to the table."""


class TimeLimitError(PermanentError):
    """A store ended a statement that had run for as long as it may.

    It is not repeated: whoever asks for too much must not be able to ask for it again and again.
    """

    def __init__(self, store: str, setting: str) -> None:
        super().__init__(
            f"{store} took longer for this export than it may. Please narrow it, best by its range "
            f"of time, or try again later; the operator of this installation may raise {setting}."
        )


class ConfigurationError(PermanentError):
    """A setting is missing or wrong, so no export can run until an operator changes it."""


class AccessRefusedError(ConfigurationError):
    """A service knows us, and does not let us do what was asked; it may grant other things."""


class InterruptedExportError(PermanentError):
    """Whoever has started the export ended it with its process."""

    def __init__(self) -> None:
        super().__init__("The export was interrupted. Please request it again.")


class TransientError(ExportError):
    """A service failed in a way that may pass; the cause is for the operator, not for the user."""


class UploadLostError(TransientError):
    """A bucket has not, or not any more, what it was sent."""


class AnswerLostError(TransientError):
    """A service was handed what it is to deliver, and nobody knows whether it has taken it."""


class MessageDeferredError(TransientError):
    """A mail server works, and does not take this message for now; it may take others."""


class ExportCancelledError(ExportError):
    """The export was cancelled while it ran."""

    @property
    def user_message(self) -> str:
        """What the run's log says; a cancelled row keeps its own log."""
        return "The export was cancelled."
