"""What a server of the embedded stack has to tell about itself."""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from lf_export_localstack.processes.process import Launch
from lf_export_localstack.processes.state import StackState

_INHERITED = ("PATH", "HOME", "USER", "LANG", "LD_LIBRARY_PATH", "VIRTUAL_ENV")


class Service(ABC):
    """One server: how it is prepared, started, asked whether it is ready, and filled.

    Attributes:
        name: the key of its process in the state file, and the name of its directory and log.
        port_names: keys of its ports in the state file; the first one is the one clients use.
        patience_seconds: how long nothing may move before its start counts as failed.
    """

    name: ClassVar[str]
    port_names: ClassVar[tuple[str, ...]]
    patience_seconds: ClassVar[float] = 60

    def __init__(self, state_dir: Path, state: StackState) -> None:
        self.state_dir = state_dir
        self.state = state

    @property
    def home(self) -> Path:
        """Where the server keeps its data."""
        return self.state_dir / self.name

    @property
    def log(self) -> Path:
        """The file that the server's output goes to."""
        return self.state_dir / "logs" / f"{self.name}.log"

    @property
    def mark(self) -> str:
        """What its process is marked with."""
        return self.state.mark(self.name)

    @property
    def port(self) -> int:
        """The port that clients use."""
        return self.state.ports[self.port_names[0]]

    def prepare(self) -> None:
        """Puts directories and files in place before the start."""
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)

    @abstractmethod
    def launch(self) -> Launch:
        """How the server is started."""

    @abstractmethod
    def probe(self) -> None:
        """Returns if the server answers a real request of an authenticated client, else raises."""

    def provision(self) -> None:  # noqa: B027 - not every server needs something created in it
        """Creates in the running server what is missing: databases, tables, the bucket."""


def server_environment(**additions: str) -> Mapping[str, str]:
    """The environment of a server: little is inherited, so that no setting leaks in by accident.

    Servers run in UTC: Langfuse's timestamps without a zone mean UTC.
    """
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {**inherited, "TZ": "UTC", **additions}
