"""An old engine of ClickHouse behind as much of its HTTP interface as the product's client uses.

Run by a Python that has an old ``chdb`` and nothing else, so only the standard library is at hand.
One query after the other: these bindings know no second session, and no streams. They were built
without ``base64Decode``, by which keys of chunks are unpacked; ``unhex`` does the same to
hexadecimal digits.

    python old_engine.py DIRECTORY

prints the port that it listens at on 127.0.0.1.
"""

import base64
import os
import re
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

os.environ["TZ"] = "UTC"

from chdb.session import Session

Parts = dict[str, bytes]

SESSION: Any = None
ONE_AT_A_TIME = threading.Lock()
NO_SETTINGS = {
    "query",
    "database",
    "query_id",
    "session_id",
    "client_protocol_version",
    "wait_end_of_query",
    "readonly",
    "buffer_size",
    "http_headers_progress_interval_ms",
    "send_progress_in_http_headers",
    "cancel_http_readonly_queries_on_client_close",
}
TABLE_SUFFIXES = ("_format", "_structure")
PACKED = re.compile(r"base64Decode\(\{(\w+):String\}\)")
INSERT = re.compile(rb"\s*(INSERT\s+INTO\s+\S+\s+FORMAT\s+\w+)\n", re.IGNORECASE)
ERROR = re.compile(r"Code: (\d+)")


class Handler(BaseHTTPRequestHandler):
    """Answers each request from the one session."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer({})

    def do_POST(self) -> None:
        kind, body = self.headers.get("Content-Type", ""), self._body()
        boundary = re.search(r"boundary=\"?([^\";]+)", kind)
        self._answer(parts_of(body, boundary[1].encode()) if boundary else {"": body})

    def log_message(self, *_args: object) -> None:
        """Nothing."""

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        pieces = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def _answer(self, parts: Parts) -> None:
        arguments = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        try:
            with ONE_AT_A_TIME:
                status, data = 200, answered(arguments, parts)
        except Exception as error:  # noqa: BLE001 - the bindings name theirs in different ways
            status, data = 500, str(error).encode()
        self.send_response(status)
        if status != 200:
            found = ERROR.search(data.decode("utf-8", "replace"))
            self.send_header("X-ClickHouse-Exception-Code", found[1] if found else "1001")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def parts_of(body: bytes, boundary: bytes) -> Parts:
    """The fields and files of a form, by name."""
    found: Parts = {}
    for part in body.split(b"--" + boundary)[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        (name,) = re.findall(rb'name="([^"]+)"', head)[:1]
        found[name.decode()] = content[:-2]
    return found


def answered(arguments: dict[str, str], parts: Parts) -> bytes:
    """What the engine gives; raises what it says.

    All in one call, since the sessions of the older bindings remember nothing but tables.
    """
    tables = {name.removesuffix("_structure") for name in arguments if name.endswith("_structure")}
    fields = {**arguments, **{k: v.decode() for k, v in parts.items() if k and k not in tables}}
    whole = fields.get("query", "").encode() + b"\n" + parts.get("", b"")
    with tempfile.TemporaryDirectory() as folder:
        before = [f"USE `{fields['database']}`"] if fields.get("database") else []
        insert = INSERT.match(whole)
        if insert:
            data = whole[insert.end() :]
            statements = [*set_all(fields, tables), loaded(insert[1].decode(), kept(data, folder))]
            SESSION.query(";\n".join([*before, *statements]))
            return b""
        sql = whole.decode().strip()
        for name in set(PACKED.findall(sql)):
            fields[f"param_{name}"] = base64.b64decode(fields[f"param_{name}"]).hex()
        for name in tables:
            structure, kind = fields[f"{name}_structure"], fields[f"{name}_format"]
            rows = f"file({quoted(kept(parts[name], folder))}, {kind}, {quoted(structure)})"
            before.append(f"DROP TEMPORARY TABLE IF EXISTS `{name}`")
            before.append(f"CREATE TEMPORARY TABLE `{name}` ({structure}) ENGINE = Memory")
            before.append(f"INSERT INTO `{name}` SELECT * FROM {rows}")
        before += set_all(fields, tables)
        answer = SESSION.query(
            ";\n".join([*before, PACKED.sub(r"unhex({\1:String})", sql)]), "TabSeparated"
        )
        return bytes(answer.bytes())


def set_all(fields: dict[str, str], tables: set[str]) -> list[str]:
    """The settings and parameters of a request; if they stay, each request brings the same."""
    of_tables = {name + suffix for name in tables for suffix in TABLE_SUFFIXES}
    pairs = [
        f"{name} = {quoted(value)}"
        for name, value in fields.items()
        if name not in NO_SETTINGS | of_tables
    ]
    return [f"SET {', '.join(pairs)}"] if pairs else []


def loaded(sql: str, path: str) -> str:
    """The INSERT of what is in a file; nothing can follow it in one call."""
    into, kind = re.split(r"\s+FORMAT\s+", sql)
    return f"{into} FROM INFILE '{path}' FORMAT {kind}"


def kept(data: bytes, folder: str) -> str:
    """The path of a file with these bytes."""
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
        file.write(data)
    return file.name


def quoted(text: str) -> str:
    """A text as a literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def main() -> None:
    """Serve until this is terminated. An INSERT also reads the standard input: it must be empty."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)  # noqa: T201
    server.serve_forever()


if __name__ == "__main__":
    SESSION = Session(sys.argv[1])  # type: ignore[no-untyped-call]  # as the whole package
    main()
