"""Where Dagster calls the program: what leaves it there has its words taken, unless it is known."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from lf_export_pipeline.core.errors import ExportError
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
