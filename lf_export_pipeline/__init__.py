"""Batch exports of a self-hosted Langfuse, as a Dagster code location."""

from lf_export_pipeline.dataframe import read_export

__all__ = ["read_export"]
