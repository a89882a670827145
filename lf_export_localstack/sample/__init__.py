"""Rows for the embedded databases: made up, or recorded."""
