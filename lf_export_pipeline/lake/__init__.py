"""The lake: Langfuse's tables as Parquet, one object per project and day, which follows its rows.

Nothing here knows Dagster. ``tables`` says what is written, ``healing`` decides what has to be
written anew, ``objects`` writes it.
"""
