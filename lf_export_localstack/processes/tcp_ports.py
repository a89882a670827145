"""Loopback ports for servers that cannot choose one themselves."""

import secrets
import socket
from collections.abc import Iterable, Mapping

from lf_export_localstack.processes.stack_errors import LocalStackError

HOST = "127.0.0.1"
# Below the range from which Linux takes the ports of outgoing connections, so that none of those
# can occupy a port between the moment it is chosen and the moment its server listens.
FIRST_PORT = 15_000
LAST_PORT = 22_000
# A server may also take the port at this distance from its own without being asked: SeaweedFS does.
COMPANION_DISTANCE = 10_000
ATTEMPTS = 1_000


class PortTakenError(LocalStackError):
    """A configured port belongs to another program."""


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a port with connections that are only fading out counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def choose(
    names: Iterable[str], *, earlier: Mapping[str, int], configured: Mapping[str, int]
) -> dict[str, int]:
    """A port for each name: the configured one, else the earlier one if it is free, else a new one.

    Keeping the earlier port means that addresses people have noted stay right.

    Raises:
        PortTakenError: a configured port is in use.
    """
    chosen: dict[str, int] = {}
    for name in names:
        taken = {*earlier.values(), *configured.values(), *chosen.values()}
        chosen[name] = _choose_one(name, earlier.get(name), configured.get(name), taken)
    return chosen


def _choose_one(name: str, earlier: int | None, configured: int | None, taken: set[int]) -> int:
    if configured is not None:
        if not is_free(configured):
            raise PortTakenError(f"Port {configured}, configured for {name}, is in use.")
        return configured
    if earlier is not None and _is_usable(earlier):
        return earlier
    for _ in range(ATTEMPTS):
        port = FIRST_PORT + secrets.randbelow(LAST_PORT - FIRST_PORT)
        if port not in taken and _is_usable(port):
            return port
    raise PortTakenError(f"No free port for {name} between {FIRST_PORT} and {LAST_PORT}.")


def _is_usable(port: int) -> bool:
    return is_free(port) and is_free(port + COMPANION_DISTANCE)
