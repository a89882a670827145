"""Everything that Dagster sees, and nothing else; ``definitions`` puts it together."""

import gc

import dagster  # noqa: F401 - what is frozen

# What Dagster has imported stays until the process ends. Otherwise the garbage collector walks
# through all of it while the rest is imported: 0.15 s of processor time in each process.
gc.freeze()
