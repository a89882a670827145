"""The commands that the embedded stack adds to ``lf-export``, registered in ``pyproject.toml``."""

COMMANDS = {
    "demo": ("lf_export_localstack.cli.demo:demo", "Run a demo from scratch, then stop."),
    "dev": ("lf_export_localstack.cli.dev:dev", "Run the embedded stack and Dagster's UI."),
    "local": (
        "lf_export_localstack.cli.local:local",
        "Start, stop and inspect the embedded servers.",
    ),
}
"""By name: the module and the function, and the line for ``--help``."""
