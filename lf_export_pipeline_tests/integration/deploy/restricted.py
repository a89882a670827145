"""A stack whose every door opens only as far as the files in ``deploy/`` say.

Postgres has roles, and SeaweedFS reads AWS's policies, so both take the files as they are. The
embedded ClickHouse has no place to store users in; its engine is given the same grants and the same
settings profile for its one user in its configuration file, and enforces them as a server does.
"""

import json
import os
import re
import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

import boto3
import psycopg2
from botocore.config import Config
from botocore.exceptions import ClientError
from psycopg2.sql import SQL, Identifier, Literal

from lf_export_localstack.processes import process, state, stopping
from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_localstack.stack.stack_addresses import StackAddresses
from lf_export_localstack_tests.integration.clickhouse_server import server_process as clickhouse
from lf_export_pipeline_tests.conftest import REPOSITORY

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DEPLOY = REPOSITORY / "deploy"
ROLE = "lf_export"
KEY = "LANGFUSE_S3_BATCH_EXPORT"
# A server makes tables that come along with a query without asking for a right; the embedded one
# makes them by a statement. Without this it would refuse them, and never write the rows itself.
SENT_ALONG = "GRANT CREATE TEMPORARY TABLE ON *.*"


@dataclass(frozen=True, slots=True)
class Restricted:
    """Where the restricted user gets in.

    Attributes:
        environment: All that a process needs to use the stack as this user.
        owner: The same servers' addresses for the user who may do everything.
    """

    environment: dict[str, str]
    owner: StackAddresses


@contextmanager
def restricted(stack: LocalStack) -> Iterator[Restricted]:
    """The running stack as the restricted user sees it; its ClickHouse is another process now."""
    owner = stack.addresses()
    key = bucket_key(stack, ROLE, policy("policy.json"))
    changes = {"DATABASE_URL": postgres_role(owner)} | key
    with clickhouse_user(stack) as addresses:
        yield Restricted({**stack.environment(), **changes, **addresses}, owner)


def postgres_role(owner: StackAddresses) -> str:
    """The URL of the role that ``postgres_role.sql`` makes."""
    password = secrets.token_urlsafe(12)
    connection = psycopg2.connect(owner.database_url)
    with connection, connection.cursor() as cursor:
        cursor.execute((DEPLOY / "sql" / "postgres_role.sql").read_text())
        change = SQL("ALTER ROLE {} PASSWORD {}")
        cursor.execute(change.format(Identifier(ROLE), Literal(password)))
    connection.close()
    parts = urlsplit(owner.database_url)
    return parts._replace(netloc=f"{ROLE}:{password}@{parts.hostname}:{parts.port}").geturl()


def optional_grant(script: str) -> str:
    """The statement that a script of ``deploy/sql`` has in a comment, for who wants it."""
    lines = (DEPLOY / "sql" / script).read_text().splitlines()
    (begin,) = (at for at, line in enumerate(lines) if line.startswith("-- GRANT"))
    text = " ".join(line.removeprefix("--").strip() for line in lines[begin:])
    statement, _, rest = text.partition(";")
    assert rest.strip() == ""
    return statement


def policy(name: str) -> dict[str, Any]:
    """A file of ``deploy/s3``."""
    found: dict[str, Any] = json.loads((DEPLOY / "s3" / name).read_text())
    return found


def bucket_key(
    stack: LocalStack, name: str, *policies: dict[str, Any], may_write_to: str | None = None
) -> dict[str, str]:
    """The key of a new identity that has these policies and nothing else.

    Args:
        stack: Whose bucket service.
        name: Of the identity.
        policies: Its rights.
        may_write_to: ``bucket/key`` that these allow, if it is not one of the exports.
    """
    key = {"accessKey": name, "secretKey": secrets.token_urlsafe(18)}
    texts = {f"{name}-{number}": json.dumps(each) for number, each in enumerate(policies)}
    identity = {"name": name, "credentials": [key], "actions": [], "policyNames": list(texts)}
    file = stack.state_dir / "seaweedfs" / "identities.json"
    identities = json.loads(file.read_text())
    identities["policies"] = identities.get("policies", [])
    identities["policies"] += [{"name": each, "content": text} for each, text in texts.items()]
    identities["identities"].append(identity)
    file.write_text(json.dumps(identities))
    os.kill(_running(stack, "seaweedfs").pid, signal.SIGHUP)  # it reads the file again
    variables = {f"{KEY}_ACCESS_KEY_ID": name, f"{KEY}_SECRET_ACCESS_KEY": key["secretKey"]}
    known = {**stack.environment(), **variables}
    place = may_write_to or f"{known[f'{KEY}_BUCKET']}/exports/known"
    clickhouse.wait_for(lambda: may_write(known, place))
    return variables


@contextmanager
def clickhouse_user(stack: LocalStack, script: str | None = None) -> Iterator[dict[str, str]]:
    """The stack's ClickHouse started again, its user held to ``clickhouse_role.sql``.

    Args:
        stack: Whose ClickHouse.
        script: Another text of that file.
    """
    stopping.stop(_running(stack, "clickhouse"), request=signal.SIGTERM, grace_seconds=30)
    script = script or clickhouse_role()
    config = engine_config(script, stack.state_dir)
    log = stack.state_dir / "logs" / "clickhouse-restricted.log"
    log.unlink(missing_ok=True)  # it tells the port of a server that was there before
    data = stack.state_dir / "clickhouse"
    server = clickhouse.ServerProcess.start(data, log, "--config-file", str(config))
    try:
        yield {
            "CLICKHOUSE_URL": f"http://127.0.0.1:{server.port}",
            "CLICKHOUSE_USER": clickhouse.USER,
            "CLICKHOUSE_PASSWORD": clickhouse.PASSWORD,
        }
    finally:
        server.stop()


def clickhouse_role() -> str:
    """What an administrator is given to run."""
    return (DEPLOY / "sql" / "clickhouse_role.sql").read_text()


def engine_config(script: str, folder: Path) -> Path:
    """The grants and the settings profile of a script of SQL, as the engine's configuration."""
    every = [*granted(script), SENT_ALONG]
    grants = "".join(f"<query>{escape(grant)}</query>" for grant in every)
    return clickhouse.config_file(folder, _profile(script), f"<grants>{grants}</grants>")


def granted(script: str) -> list[str]:
    """The grants of a script, without the user they are for."""
    return re.findall(rf"^(GRANT .+) TO {ROLE};$", script, re.MULTILINE)


def _profile(script: str) -> str:
    found = re.search(rf"CREATE SETTINGS PROFILE {ROLE} SETTINGS(.+?);", script, re.DOTALL)
    assert found
    values, bounds = "", ""
    for item in found[1].split(","):
        name, value, *bound = item.replace("=", " ").split()
        values += f"<{name}>{value}</{name}>"
        if bound:
            kind, limit = bound
            bounds += f"<{name}><{kind.lower()}>{limit}</{kind.lower()}></{name}>"
    return f"{values}<constraints>{bounds}</constraints>"


def s3_client(environment: dict[str, str]) -> "S3Client":
    """boto3 itself with the key of the environment."""
    return boto3.client(
        "s3",
        endpoint_url=environment[f"{KEY}_ENDPOINT"],
        region_name=environment[f"{KEY}_REGION"],
        aws_access_key_id=environment[f"{KEY}_ACCESS_KEY_ID"],
        aws_secret_access_key=environment[f"{KEY}_SECRET_ACCESS_KEY"],
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            retries={"total_max_attempts": 1},
            request_checksum_calculation="when_required",
        ),
    )


def may_write(environment: dict[str, str], place: str) -> bool:
    """Whether the server knows the key by now."""
    bucket, _, key = place.partition("/")
    try:
        s3_client(environment).put_object(Bucket=bucket, Key=key, Body=b"")
    except ClientError:
        return False
    return True


def _running(stack: LocalStack, service: str) -> process.ProcessRecord:
    remembered = state.load(stack.state_dir)
    assert remembered
    return remembered.processes[service]
