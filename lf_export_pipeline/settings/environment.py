"""How the environment of a process is read, whatever is looked for in it."""

from typing import Any

from pydantic import model_validator
from pydantic_settings import BaseSettings


class EnvironmentSettings(BaseSettings):
    """Settings that come from variables, or from files that an orchestrator has mounted as such."""

    @model_validator(mode="before")
    @classmethod
    def _the_line_ends_of_mounted_secrets_are_dropped(cls, given: Any) -> Any:
        """And what is nothing without them is not set."""
        plain = {name: _without_line_end(value) for name, value in given.items()}
        return {name: value for name, value in plain.items() if value != ""}


def _without_line_end(value: Any) -> Any:
    return value.rstrip("\r\n") if isinstance(value, str) else value
