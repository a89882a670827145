"""Dagster's records of runs, for commands in an operator's shell."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from lf_export_pipeline.core.errors import ConfigurationError


@contextmanager
def configured_instance() -> Iterator[dg.DagsterInstance | None]:
    """The instance of DAGSTER_HOME, which the daemon and the UI share; None without one.

    Raises:
        ConfigurationError: It cannot be opened.
    """
    if not os.environ.get("DAGSTER_HOME"):
        yield None
        return
    with _opened() as instance:
        yield instance


@contextmanager
def required_instance() -> Iterator[dg.DagsterInstance]:
    """The same, where nothing can be done without it.

    Raises:
        ConfigurationError: There is none, or it cannot be opened.
    """
    with configured_instance() as instance:
        if instance is None:
            raise ConfigurationError(
                "Standing exports are kept in Dagster's records, and DAGSTER_HOME is not set: set "
                "it, and the variables of its dagster.yaml, as the daemon has them."
            )
        yield instance


def _opened() -> dg.DagsterInstance:
    try:
        return dg.DagsterInstance.get()
    except Exception as error:  # each of its storages, and the reader of YAML, has its own
        raise ConfigurationError(
            f"Dagster's records of runs cannot be opened ({type(error).__name__}); check "
            "DAGSTER_HOME, the dagster.yaml in it, and the variables that it names."
        ) from error
