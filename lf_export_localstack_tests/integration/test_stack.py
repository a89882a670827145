import os
import socket
import stat
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import boto3
import psutil
import psycopg2
import pytest

from lf_export_localstack.processes import state, stopping
from lf_export_localstack.processes.process import Launch, ProcessRecord
from lf_export_localstack.processes.readiness import ServiceNotReadyError
from lf_export_localstack.processes.tcp_ports import HOST, PortTakenError
from lf_export_localstack.sample.rows import clickhouse_client
from lf_export_localstack.services.mail_service import Mail
from lf_export_localstack.services.seaweedfs_service import SeaweedFS
from lf_export_localstack.stack.local_stack import LocalStack, StackNotStartedError

pytestmark = [pytest.mark.services, pytest.mark.long]


def _pids(stack: LocalStack) -> dict[str, int | None]:
    return {status.name: status.pid for status in stack.status()}


def _family(stack: LocalStack) -> list[psutil.Process]:
    leaders = [psutil.Process(pid) for pid in _pids(stack).values() if pid is not None]
    return [*leaders, *(child for leader in leaders for child in leader.children(recursive=True))]


@contextmanager
def _listening(port: int) -> Iterator[None]:
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((HOST, port))
        server.listen()
        yield


def _write_something(stack: LocalStack) -> None:
    with clickhouse_client(stack.addresses()) as client:
        client.command("INSERT INTO traces (id, project_id) VALUES ('kept', 'p')")
    connection = psycopg2.connect(stack.addresses().database_url)
    with connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO users (id, email) VALUES ('kept', 'kept@example.com')")
    connection.close()
    _put_object(stack, "kept")


def _put_object(stack: LocalStack, key: str) -> None:
    _s3(stack).put_object(Bucket="langfuse-exports", Key=key, Body=b"content")


def _s3(stack: LocalStack):  # type: ignore[no-untyped-def]
    addresses = stack.addresses()
    return boto3.client(
        "s3",
        endpoint_url=addresses.s3_endpoint,
        region_name="us-east-1",
        aws_access_key_id=addresses.credentials.s3_access_key_id,
        aws_secret_access_key=addresses.credentials.s3_secret_access_key,
    )


def _assert_everything_is_there(stack: LocalStack) -> None:
    with clickhouse_client(stack.addresses()) as client:
        assert client.query("SELECT id FROM traces").result_rows == [("kept",)]
    connection = psycopg2.connect(stack.addresses().database_url)
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT id FROM users")
        assert cursor.fetchall() == [("kept",)]
    connection.close()
    stored = _s3(stack).get_object(Bucket="langfuse-exports", Key="kept")
    assert stored["Body"].read() == b"content"


def test_a_second_start_finds_the_data_and_the_addresses_of_the_first(state_dir: Path) -> None:
    stack = LocalStack(state_dir)
    first = stack.up()
    _write_something(stack)
    stack.down()

    assert LocalStack(state_dir).up() == first

    _assert_everything_is_there(stack)


def test_data_are_found_after_a_crash_and_on_other_ports(state_dir: Path) -> None:
    stack = LocalStack(state_dir)
    first = stack.up()
    _write_something(stack)
    records = state.load(state_dir)
    assert records is not None
    for server in _family(stack):
        server.kill()
    for record in records.processes.values():
        stopping.stop(record)

    with _listening(first.postgres_port), _listening(first.s3_port), _listening(first.smtp_port):
        second = stack.up()

    assert second.postgres_port != first.postgres_port
    assert second.s3_port != first.s3_port
    assert second.smtp_port != first.smtp_port
    _assert_everything_is_there(stack)


def test_nothing_is_left_running_after_down(state_dir: Path) -> None:
    stack = LocalStack(state_dir)
    stack.up()
    family = _family(stack)
    remembered = state.load(state_dir)
    assert remembered is not None
    ports = {str(remembered.ports[name]) for name in SeaweedFS.port_names}
    assert len(family) > 4
    assert _sockets_of(ports)

    stack.down()

    assert [server for server in family if server.is_running()] == []
    assert all(not status.answers and status.pid is None for status in stack.status())
    assert not _sockets_of(ports)


def _sockets_of(ports: set[str]) -> list[Path]:
    """SeaweedFS leaves them in this place; servers that were killed have left others there."""
    found = Path("/tmp").glob("seaweedfs-*.sock")
    return [socket for socket in found if socket.stem.rpartition("-")[2] in ports]


def test_only_what_has_ended_is_started_again(state_dir: Path) -> None:
    stack = LocalStack(state_dir)
    stack.up()
    before = _pids(stack)
    mail = before["smtp"]
    assert mail is not None
    psutil.Process(mail).kill()

    with LocalStack(state_dir) as other:
        after = _pids(other)

    assert after["smtp"] not in {None, mail}
    assert {**after, "smtp": 0} == {**before, "smtp": 0}


def test_a_context_leaves_a_stack_running_that_it_has_found_running(state_dir: Path) -> None:
    stack = LocalStack(state_dir)
    stack.up()
    before = _pids(stack)

    with LocalStack(state_dir) as other:
        assert other.addresses() == stack.addresses()

    assert _pids(stack) == before


def test_a_remembered_process_that_is_somebody_else_now_is_no_obstacle(state_dir: Path) -> None:
    stack = LocalStack(state_dir)
    stack.up()
    stack.down()
    remembered = state.load(state_dir)
    assert remembered is not None
    stale = ProcessRecord(pid=os.getpid(), started_at=1_000_000_000.0)
    remembered.processes = dict.fromkeys(remembered.processes, stale)
    state.save(state_dir, remembered)
    postgres_home = remembered.postgres_home
    assert postgres_home is not None
    (postgres_home / "data" / "postmaster.pid").write_text(f"{os.getpid()}\n/nowhere\n")

    stack.up()

    assert all(status.answers for status in stack.status())
    assert os.getpid() not in _pids(stack).values()


def test_a_server_that_fails_is_shown_with_its_log_and_takes_the_others_with_it(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Mail) -> Launch:
        argv = (sys.executable, "-c", "raise SystemExit('no memory left for mail')")
        return replace(launch(self), argv=argv)

    launch = Mail.launch
    monkeypatch.setattr(Mail, "launch", fail)
    stack = LocalStack(state_dir)

    with pytest.raises(ServiceNotReadyError, match="smtp ended while it was starting") as caught:
        stack.up()

    assert "no memory left for mail" in str(caught.value)
    assert set(_pids(stack).values()) == {None}


def test_a_configured_port_is_used_and_refused_when_taken(state_dir: Path) -> None:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    stack = LocalStack(state_dir, ports={"smtp": port})

    with _listening(port), pytest.raises(PortTakenError, match=f"{port}, configured for smtp"):
        stack.up()
    assert stack.up().smtp_port == port


def test_secrets_are_readable_by_their_owner_alone(state_dir: Path) -> None:
    LocalStack(state_dir).up()

    others = stat.S_IRWXO | stat.S_IRGRP | stat.S_IWGRP
    assert not state_dir.stat().st_mode & others
    for file in ("state.json", "seaweedfs/identities.json"):
        assert stat.S_IMODE((state_dir / file).stat().st_mode) == 0o600
    passwords = {
        value
        for name, value in LocalStack(state_dir).addresses().credentials.model_dump().items()
        if name.endswith(("password", "secret_access_key"))
    }
    arguments = " ".join(part for each in _family(LocalStack(state_dir)) for part in each.cmdline())
    assert not [password for password in passwords if password in arguments]


@pytest.mark.parametrize("parent_mode", [0o711, 0o700])
def test_destroy_removes_all_data_wherever_they_lie(state_dir: Path, parent_mode: int) -> None:
    state_dir.parent.chmod(parent_mode)
    stack = LocalStack(state_dir)
    stack.up()
    remembered = state.load(state_dir)
    assert remembered is not None
    assert remembered.postgres_home is not None

    stack.destroy()

    assert not state_dir.exists()
    assert not remembered.postgres_home.exists()


def test_everything_listens_on_loopback_only(stack: LocalStack) -> None:
    listening = [
        (server.name(), connection.laddr.ip)
        for server in _family(stack)
        for connection in server.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN or not connection.raddr
    ]

    assert len(listening) >= 4
    assert {ip for _, ip in listening} == {HOST}


def test_a_stack_that_was_never_started_has_no_addresses_and_can_be_stopped(
    tmp_path: Path,
) -> None:
    stack = LocalStack(tmp_path / "never")

    stack.down()

    assert set(_pids(stack).values()) == {None}
    with pytest.raises(StackNotStartedError, match="No embedded stack was started"):
        stack.environment()


def test_two_starts_at_the_same_time_make_one_stack(state_dir: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: LocalStack(state_dir).up(), range(2))

    assert first == second
    servers = [each for each in psutil.process_iter(["cmdline"]) if _mentions(each, state_dir)]
    assert {each.pid for each in servers} >= set(_pids(LocalStack(state_dir)).values())
    assert len(servers) == 4


def _mentions(server: psutil.Process, state_dir: Path) -> bool:
    return str(state_dir) in " ".join(server.info["cmdline"] or [])
