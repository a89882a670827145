"""The four servers as one stack, and where they are."""
