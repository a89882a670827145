"""``python -m lf_export_pipeline.cli`` is ``lf-export``."""

from lf_export_pipeline.cli.main import main

main()
