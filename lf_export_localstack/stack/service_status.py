"""How a server of a stack is doing."""

from dataclasses import dataclass
from pathlib import Path

from lf_export_localstack.processes.process import ProcessRecord, is_running
from lf_export_localstack.services.service import Service


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """How one server is doing.

    Attributes:
        pid: None if it does not run.
        port: None if it never ran.
        answers: whether it answered a real request just now.
    """

    name: str
    pid: int | None
    port: int | None
    answers: bool
    log: Path


def status_of(service: Service) -> ServiceStatus:
    """Asked now."""
    record = record_of(service)
    runs = record is not None and is_running(record)
    return ServiceStatus(
        name=service.name,
        pid=record.pid if record is not None and runs else None,
        port=service.state.ports.get(service.port_names[0]),
        answers=runs and answers(service),
        log=service.log,
    )


def answers(service: Service) -> bool:
    """Whether the process that was started for it answers a real request."""
    record = record_of(service)
    if record is None or not is_running(record):
        return False
    try:
        service.probe()
    except Exception:  # noqa: BLE001 - every client has its own errors; all mean "no"
        return False
    return True


def record_of(service: Service) -> ProcessRecord | None:
    """The process that was started last for it; it may have ended since."""
    return service.state.processes.get(service.name)
