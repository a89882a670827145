"""The lake as Dagster sees it: what is observed, what is written from it, checks, and when."""
