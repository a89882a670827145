"""Where Dagster calls the program: what leaves it there has its words taken, unless it is known."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from lf_export_pipeline.core.errors import ExportError, PermanentError
from lf_export_pipeline.core.redaction import redacted

KNOWN = (ExportError, dg.DagsterError, dg.Failure, dg.RetryRequested)
"""Ours, which are written for people who read them, and Dagster's own."""


@contextmanager
def redact_unexpected_errors() -> Iterator[None]:
    """For what Dagster calls; a decorator of functions as well.

    Raises:
        RedactedError: Instead of an exception that is not known.
    """
    try:
        yield
    except KNOWN:
        raise
    except Exception as error:  # noqa: BLE001 - what is not foreseen has no name
        told = redacted(error)
        raise told from told.__cause__


@contextmanager
def permanent_errors_end_the_step() -> Iterator[None]:
    """Ends the step at once when trying again cannot help; the retry policy knows no difference.

    Raises:
        Failure: Instead of a ``PermanentError``, with its sentence.
    """
    try:
        yield
    except PermanentError as error:
        raise dg.Failure(description=error.user_message, allow_retries=False) from error
