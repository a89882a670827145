"""The four servers of the embedded stack."""
