"""Langfuse's Postgres: streamed reads, and the table ``batch_exports``."""
