"""One line per step of a command that takes a while, with the seconds since it began."""

import time

import click


class Steps:
    """Prints each line as soon as it is there."""

    def __init__(self) -> None:
        self._begun = time.monotonic()

    def __call__(self, line: str) -> None:
        """Print one step."""
        click.echo(f"{time.monotonic() - self._begun:6.1f} s  {line}")
