"""The embedded servers behind TLS, with certificates that are made for the test."""

import asyncio
import ssl
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme
import yaml
from aiosmtpd.controller import Controller
from sqlalchemy import make_url

from lf_export_localstack.processes.tcp_ports import HOST, choose
from lf_export_localstack.services.postgres_service import DAGSTER_DATABASE
from lf_export_localstack.services.smtp_server import Inbox, Login

NAME = "localhost"  # the only name that the certificates hold
MAIL_USER, MAIL_PASSWORD = "mailer", "mail-secret"
PIECE_BYTES = 1 << 16
SECONDS_TO_HANG_UP = 0.1
SSL_REQUEST = bytes.fromhex("0000000804d2162f")


def dagster_home(folder: Path, database_url: str, host: str, authority: Path) -> str:
    """A DAGSTER_HOME whose storage is on the server of a URL, reached through TLS."""
    database = make_url(database_url)
    storage = {
        "scheme": "postgresql+psycopg2",
        "hostname": host,
        "port": database.port,
        "username": database.username,
        "password": database.password,
        "db_name": DAGSTER_DATABASE,
        "params": {"sslmode": "verify-full", "sslrootcert": str(authority)},
    }
    config = {"storage": {"postgres": {"postgres_db": storage}}, "telemetry": {"enabled": False}}
    (folder / "dagster.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return str(folder)


@dataclass(frozen=True, slots=True)
class Authorities:
    """PEM files: of the authority that signs the servers' certificates, and of another one."""

    right: Path
    wrong: Path


def server_context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    """What a server needs to show this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


@contextmanager
def tls_front(
    target_port: int, context: ssl.SSLContext, *, is_postgres: bool = False
) -> Iterator[int]:
    """The port of a server that speaks TLS and hands everything to a plain one.

    Postgres' clients ask for TLS in plain text first. The embedded Postgres is built without TLS,
    so what asks and verifies is real, and what answers is this.
    """

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with _aborted(writer):
            if is_postgres and not await _has_agreed_on_tls(reader, writer, context):
                return
            server_reader, server_writer = await asyncio.open_connection(HOST, target_port)
            with _aborted(server_writer):
                up = asyncio.create_task(_pass_on(reader, server_writer))
                down = asyncio.create_task(_pass_on(server_reader, writer))
                await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)

    async def serve() -> None:
        at_once = None if is_postgres else context
        async with await asyncio.start_server(hold, HOST, 0, ssl=at_once) as server:
            port.set_result(server.sockets[0].getsockname()[1])
            await over.wait()

    port: Future[int] = Future()
    over = asyncio.Event()
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)  # clients that refuse the certificate hang up
    thread = threading.Thread(target=_run_to_its_end, args=(loop, serve()))
    thread.start()
    try:
        yield port.result(timeout=30)
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()


async def _end_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(SECONDS_TO_HANG_UP)


def _run_to_its_end(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, None]) -> None:
    loop.run_until_complete(work)
    loop.run_until_complete(_end_all())
    loop.close()


@contextmanager
def _aborted(writer: asyncio.StreamWriter) -> Iterator[None]:
    """Hangs up at the end, whatever is still to be sent."""
    try:
        yield
    finally:
        writer.transport.abort()


async def _has_agreed_on_tls(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, context: ssl.SSLContext
) -> bool:
    try:
        while await reader.readexactly(len(SSL_REQUEST)) != SSL_REQUEST:
            writer.write(b"N")  # another kind of encryption was asked for
        writer.write(b"S")
        await writer.start_tls(context)
    except (OSError, EOFError):
        return False
    return True


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(PIECE_BYTES):
            writer.write(data)
            await writer.drain()


@contextmanager
def mail_server(
    inbox: Path, *, at_once: ssl.SSLContext | None = None, later: ssl.SSLContext | None = None
) -> Iterator[int]:
    """The port of a mail server.

    Args:
        inbox: Where messages go.
        at_once: For TLS from the first byte.
        later: For STARTTLS, without which nothing is taken.
    """
    (port,) = choose(["smtp"], earlier={}, configured={}).values()
    controller = Controller(
        Inbox(inbox),
        hostname=HOST,
        port=port,
        ssl_context=at_once,
        tls_context=later,
        require_starttls=later is not None,
        authenticator=Login(MAIL_USER, MAIL_PASSWORD),
        auth_required=True,
        auth_require_tls=later is not None,
    )
    with ExitStack() as ended:
        controller.start()
        ended.callback(controller.stop)
        yield port
