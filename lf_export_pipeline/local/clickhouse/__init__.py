"""A ClickHouse server for one machine: the real engine (chdb) behind ClickHouse's HTTP protocol.

The engine runs inside this package's own process (``python -m lf_export_pipeline.local.clickhouse``)
because it allows one process per data directory; everybody else talks HTTP to it through an ordinary
client, exactly as in production. Production code never imports this package.

How the modules build on each other::

    __main__ ─▶ server ─▶ request ─▶ bodies      what the client asks for
                   │  └──▶ framing               how the answer is written
                   └─────▶ engine ─▶ statement   how the engine is driven
                              └────▶ errors      (all of them) ClickHouse's error texts and statuses
"""
