"""Standing exports: which windows are due, where they are kept, and how their rows are queued."""
