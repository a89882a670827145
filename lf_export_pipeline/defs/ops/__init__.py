"""The steps of the job ``batch_export``, one module each."""
