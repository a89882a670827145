"""What the embedded stack remembers between starts: ports, processes and credentials."""

import os
import secrets
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from lf_export_localstack.processes.process import ProcessRecord
from lf_export_localstack.processes.process_marks import new_mark
from lf_export_localstack.processes.stack_errors import ForeignFolderError

STATE_FILE = "state.json"
KEPT = "kept"
"""The session of servers that outlive the command that starts them; see ``session``."""


def _new_secret() -> str:
    return secrets.token_urlsafe(18)


class Credentials(BaseModel, frozen=True):
    """Users and passwords of the servers; the passwords are random and made once per stack.

    They consist of letters, digits, `-` and `_`, so that they need no quoting in URLs.
    """

    postgres_user: str = "langfuse"
    postgres_password: str = Field(default_factory=_new_secret, repr=False)
    clickhouse_user: str = "langfuse"
    clickhouse_password: str = Field(default_factory=_new_secret, repr=False)
    s3_access_key_id: str = "langfuse"
    s3_secret_access_key: str = Field(default_factory=_new_secret, repr=False)
    smtp_user: str = "langfuse"
    smtp_password: str = Field(default_factory=_new_secret, repr=False)


class StackState(BaseModel, extra="forbid"):
    """The content of the state file.

    Attributes:
        stack: what the marks of all its processes begin with; random, made at the first start.
        session: what the processes that are started now belong to.
        credentials: made at the first start.
        ports: by name, as chosen at the last start.
        processes: by name, as started last; they may have ended since.
        postgres_home: where Postgres keeps its data, once that has been decided.
    """

    stack: str = Field(default_factory=lambda: secrets.token_hex(8))
    session: str = KEPT
    credentials: Credentials = Field(default_factory=Credentials)
    ports: dict[str, int] = Field(default_factory=dict)
    processes: dict[str, ProcessRecord] = Field(default_factory=dict)
    postgres_home: Path | None = None

    def mark(self, name: str) -> str:
        """What a process that is started now is marked with, and all that it starts."""
        return new_mark(self.stack, self.session, name)


def load(state_dir: Path) -> StackState | None:
    """The remembered state, or None if no stack was ever started in this directory.

    Raises:
        ForeignFolderError: the file is another program's that has the same name.
    """
    file = state_dir / STATE_FILE
    try:
        state = StackState.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError:
        state = StackState()
    if "credentials" not in state.model_fields_set:
        raise ForeignFolderError(
            f"{file} is not the state file of an embedded stack; name another folder."
        )
    return state


def save(state_dir: Path, state: StackState) -> None:
    """Replaces the state file in one step, readable by its owner alone."""
    draft = state_dir / f"{STATE_FILE}.new"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(state.model_dump_json(indent=2))
    draft.replace(state_dir / STATE_FILE)
