"""Langfuse's tables, as far as batch exports need them, and the SQL of the sample data."""
