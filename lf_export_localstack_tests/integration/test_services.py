"""The servers are real: they check passwords and signatures, and Postgres runs for root too."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import boto3
import clickhouse_connect
import psycopg2
import pytest
from botocore.exceptions import ClientError
from clickhouse_connect.driver.exceptions import DatabaseError

from lf_export_localstack.processes import process, readiness, stopping, tcp_ports
from lf_export_localstack.processes.process import SystemUser
from lf_export_localstack.processes.state import StackState
from lf_export_localstack.services import postgres_service
from lf_export_localstack.services.postgres_service import Postgres, is_reachable
from lf_export_localstack.stack.local_stack import LocalStack

pytestmark = [pytest.mark.services, pytest.mark.long]

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="concerns root alone")


def test_postgres_refuses_a_wrong_password(stack: LocalStack) -> None:
    addresses = stack.addresses()
    wrong = addresses.database_url.replace(addresses.credentials.postgres_password, "wrong")

    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(wrong)


def test_clickhouse_refuses_a_wrong_password(stack: LocalStack) -> None:
    addresses = stack.addresses()

    with pytest.raises(DatabaseError, match="AUTHENTICATION_FAILED"):
        clickhouse_connect.get_client(
            host=tcp_ports.HOST,
            port=addresses.clickhouse_port,
            username=addresses.credentials.clickhouse_user,
            password="wrong",
        )


def test_s3_refuses_a_wrong_signature(stack: LocalStack) -> None:
    addresses = stack.addresses()
    client = boto3.client(
        "s3",
        endpoint_url=addresses.s3_endpoint,
        region_name="us-east-1",
        aws_access_key_id=addresses.credentials.s3_access_key_id,
        aws_secret_access_key="wrong",
    )

    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        client.list_buckets()


def test_dagster_has_an_empty_database_of_its_own(stack: LocalStack) -> None:
    connection = psycopg2.connect(stack.addresses().postgres_url("dagster"))
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_tables WHERE tablename = 'batch_exports'")
        assert cursor.fetchone() == (0,)
    connection.close()


def test_the_environment_holds_what_the_worker_of_langfuse_would_read(stack: LocalStack) -> None:
    environment = stack.environment()

    # No web app runs here whose page a mail could lead to.
    assert {name for name, value in environment.items() if not value} == {"NEXTAUTH_URL"}
    assert environment["LANGFUSE_S3_BATCH_EXPORT_ENABLED"] == "true"
    assert environment["CLICKHOUSE_CLUSTER_ENABLED"] == "false"
    assert Path(environment["LF_EXPORT_SPOOL"]).is_dir()
    assert Path(environment["LF_EXPORT_INBOX"]).is_dir()
    psycopg2.connect(environment["DATABASE_URL"]).close()
    psycopg2.connect(
        host=environment["DAGSTER_POSTGRES_HOST"],
        port=environment["DAGSTER_POSTGRES_PORT"],
        user=environment["DAGSTER_POSTGRES_USER"],
        password=environment["DAGSTER_POSTGRES_PASSWORD"],
        dbname=environment["DAGSTER_POSTGRES_DB"],
    ).close()


@pytest.fixture
def closed_dir() -> Iterator[Path]:
    """A directory that its owner alone may enter."""
    directory = Path(tempfile.mkdtemp(prefix="lf-export-tests-"))
    yield directory
    shutil.rmtree(directory)


def _start_and_stop(service: Postgres) -> None:
    service.log.parent.mkdir(parents=True)
    service.state_dir.chmod(0o700)
    service.state.ports |= tcp_ports.choose(service.port_names, earlier={}, configured={})
    service.prepare()
    record = process.start(service.launch())
    try:
        readiness.wait_until_ready(
            "postgres", record, service.probe, log=service.log, patience_seconds=60
        )
        service.provision()
    finally:
        stopping.stop(record)


@as_root
def test_postgres_of_root_finds_a_place_when_the_state_directory_is_out_of_its_reach(
    closed_dir: Path,
) -> None:
    service = Postgres(closed_dir / "below", StackState())

    _start_and_stop(service)

    assert closed_dir not in service.home.parents
    assert closed_dir.stat().st_mode & 0o777 == 0o700
    shutil.rmtree(service.home)


@as_root
def test_postgres_of_root_runs_a_copy_of_programs_that_are_out_of_its_reach(
    closed_dir: Path, reachable_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = postgres_service._installed_package()
    for directory in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(directory, closed_dir / directory.name)
    monkeypatch.setattr(postgres_service, "_installed_package", lambda: closed_dir / package.name)
    service = Postgres(reachable_dir / "state", StackState())

    _start_and_stop(service)

    assert service.launch().argv[0].startswith(str(service.state_dir))


def test_reach_depends_on_every_directory_above(tmp_path: Path) -> None:
    stranger = SystemUser(uid=os.geteuid() + 54_321, gid=os.getegid() + 54_321)
    open_dir = Path(tempfile.mkdtemp())
    file = open_dir / "inner" / "file"
    file.parent.mkdir()
    file.touch()
    open_dir.chmod(0o711)
    file.parent.chmod(0o755)
    file.chmod(0o644)

    assert is_reachable(file, stranger)
    file.chmod(0o600)
    assert not is_reachable(file, stranger)
    assert is_reachable(file, SystemUser(uid=os.geteuid(), gid=0))
    file.chmod(0o644)
    open_dir.chmod(0o700)
    assert not is_reachable(file, stranger)
    shutil.rmtree(open_dir)
