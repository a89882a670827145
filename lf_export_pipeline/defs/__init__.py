"""Everything that Dagster sees, and nothing else; ``definitions`` puts it together."""
