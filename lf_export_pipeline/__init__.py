"""Batch exports of a self-hosted Langfuse, as a Dagster code location."""

from typing import TYPE_CHECKING, Any

from lf_export_pipeline.dataframe import read_export

if TYPE_CHECKING:
    from lf_export_pipeline.defs.lake.component import LangfuseLake

__all__ = ["LangfuseLake", "read_export"]


def __getattr__(name: str) -> Any:
    """The component, imported when it is asked for: who reads a file needs no Dagster."""
    if name == "LangfuseLake":
        from lf_export_pipeline.defs.lake.component import LangfuseLake  # noqa: PLC0415

        return LangfuseLake
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)


def __dir__() -> list[str]:
    """With the component, which ``dg`` looks for."""
    return sorted({*globals(), *__all__})
