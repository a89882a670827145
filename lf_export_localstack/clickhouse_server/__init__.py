"""A ClickHouse server for one machine: the real engine (chdb) behind ClickHouse's HTTP protocol.

The engine runs in this package's own process (``python -m lf_export_localstack.clickhouse_server``)
because it allows one process per data directory; everybody else talks HTTP to it through an
ordinary client, exactly as in production. Production code never imports this package.

How the modules build on each other::

    __main__ ─▶ http_server ─▶ http_query ─▶ bodies            what the client asks for
                   │  └──▶ framing                             how the answer is written
                   └─────▶ engine ─▶ running_query ─▶ native   how the engine is driven

``insert_statement`` cuts SQL texts, ``clickhouse_error`` is ClickHouse's; all of them use both.
"""
