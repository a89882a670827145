"""A statement that runs in the background and whose output comes through a pipe.

chdb hands out a streamed result as one complete document per block, which cannot be joined for
most formats. So the engine writes the result itself, ``INTO OUTFILE`` a pipe of ours: the bytes are
those a server would send, in every format, and a slow reader slows the query down instead of
filling memory.
"""

import fcntl
import os
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from lf_export_localstack.clickhouse_server.clickhouse_error import ClickHouseError
from lf_export_localstack.clickhouse_server.insert_statement import output_clause
from lf_export_localstack.clickhouse_server.native import Connection, Counters

PIPE_BYTES: Final = 1 << 20
KILL_INTERVAL_SECONDS: Final = 0.05
_UNFINISHED: Final = ClickHouseError(49, "LOGICAL_ERROR", "The query ended without a result")


class RunningQuery:
    """One statement in a thread of its own.

    The engine chooses query ids itself, so the text ends with a comment, by which it is killed.
    """

    def __init__(
        self,
        query_id: str,
        *,
        kill: Callable[[str], None],
        forget: Callable[[str], None],
    ) -> None:
        self.query_id = query_id
        self.format = ""
        self.read_only = False
        self.has_output = False
        self.counters = Counters()
        self._kill = kill
        self._forget = forget
        self._marker = f"/* query {os.urandom(8).hex()} */"
        self._error: ClickHouseError | None = _UNFINISHED
        self._thread: threading.Thread | None = None
        self.output, self._input = os.pipe()
        _enlarge(self._input)

    def start(
        self,
        connection: Connection,
        sql: str,
        *,
        default_format: str,
        read_only: bool,
        parameters: Mapping[str, str],
    ) -> None:
        """Runs a statement; the pipe ends when the statement has ended.

        Args:
            connection: nobody else uses it meanwhile.
            sql: one complete statement.
            default_format: of the output, unless the statement names one.
            read_only: whether it is a query, whose output is its purpose.
            parameters: see ``Connection.run``.
        """
        self.format = default_format
        self.read_only = self.has_output = read_only
        text = self._redirected(connection, sql) if read_only else sql
        self._thread = threading.Thread(
            target=self._work, args=(connection, f"{text}\n{self._marker}", parameters), daemon=True
        )
        self._thread.start()

    def result(self) -> Counters:
        """Gives the final counters, once the output has been read to its end.

        Raises:
            ClickHouseError: the statement failed, at whatever point.
        """
        if self._thread is not None:
            self._thread.join()
        if self._error is not None:
            raise self._error
        return self.counters

    def cancel(self) -> None:
        """Ends the statement and waits until it has ended.

        Killing is repeated, because a statement that has only just been sent is not known yet.
        """
        while self._thread is not None and self._thread.is_alive():
            with suppress(ClickHouseError):
                self._kill(self._marker)
            self._thread.join(KILL_INTERVAL_SECONDS)

    def close(self) -> None:
        """Ends the statement if it still runs, and closes the pipe."""
        os.close(self.output)
        if self._thread is None:
            self._end()
        self.cancel()

    def _redirected(self, connection: Connection, sql: str) -> str:
        clause = output_clause(sql.encode())
        self.format = clause.format or self.format
        head = sql.encode()[: clause.position].decode()
        tail = sql.encode()[clause.position :].decode()
        target = f"INTO OUTFILE '/dev/fd/{self._input}' APPEND COMPRESSION 'none'"
        redirected = f"{head}\n{target}{tail}"
        return redirected if connection.classify(redirected).statements == 1 else sql

    def _work(self, connection: Connection, sql: str, parameters: Mapping[str, str]) -> None:
        try:
            output, self.counters = connection.run(sql, self.format, parameters, self._note)
            self._write(output)
            self._error = None
        except ClickHouseError as error:
            self._error = ClickHouseError.from_engine(str(error).replace(f"\n{self._marker}", ""))
        finally:
            self._end()

    def _note(self, counters: Counters) -> None:
        self.counters = counters

    def _write(self, output: bytes) -> None:
        self.has_output = self.has_output or bool(output)
        view = memoryview(output)
        with suppress(BrokenPipeError):
            while view:
                view = view[os.write(self._input, view) :]

    def _end(self) -> None:
        self._forget(self.query_id)
        os.close(self._input)


def _enlarge(descriptor: int) -> None:
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with suppress(OSError):
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
