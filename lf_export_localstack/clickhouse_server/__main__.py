"""Runs it: ``python -m lf_export_localstack.clickhouse_server --data-dir DIR --port N …``."""

import argparse
import logging
import os
import signal
import sys
import threading
from pathlib import Path

from lf_export_localstack.clickhouse_server.engine import Engine
from lf_export_localstack.clickhouse_server.http_query import Account
from lf_export_localstack.clickhouse_server.http_server import ClickHouseServer

logger = logging.getLogger(__name__)


def main(arguments: list[str] | None = None) -> int:
    """Serves until SIGTERM or SIGINT, then closes the data directory.

    Args:
        arguments: of the command line; ``--help`` names them.
    """
    options = _options(arguments)
    logging.basicConfig(
        level=options.log_level.upper(), format="%(asctime)s %(levelname)s %(message)s"
    )
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    account = Account(options.user, os.environ[options.password_env])
    with Engine(
        options.data_dir,
        max_sessions=options.max_queries,
        wait_seconds=options.queue_wait_seconds,
        config_file=options.config_file,
    ) as engine:
        _serve((options.host, options.port), engine, account, stop)
    return 0


def _serve(
    address: tuple[str, int], engine: Engine, account: Account, stop: threading.Event
) -> None:
    with ClickHouseServer(address, engine, account) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
        thread.start()
        logger.info("ClickHouse %s listens on %s:%d", engine.version, *server.server_address[:2])
        stop.wait()
        server.shutdown()
        server.hang_up()
        thread.join()


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lf_export_localstack.clickhouse_server")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument(
        "--config-file", type=Path, help="the engine's own settings, such as a user's grants"
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True, help="0 takes a free one")
    parser.add_argument("--user", default="default")
    parser.add_argument(
        "--password-env", required=True, help="the environment variable that holds the password"
    )
    parser.add_argument("--max-queries", type=int, default=32, help="that run at the same time")
    parser.add_argument("--queue-wait-seconds", type=float, default=60.0)
    parser.add_argument("--log-level", default="info", choices=["debug", "info", "warning"])
    options = parser.parse_args(arguments)
    if options.password_env not in os.environ:
        parser.error(f"the environment variable {options.password_env} is not set")
    return options


if __name__ == "__main__":
    sys.exit(main())
