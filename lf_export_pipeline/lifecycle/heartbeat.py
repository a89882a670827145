"""How a step that works for long is known from one whose machine is gone."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from lf_export_pipeline.core.errors import ExportError
from lf_export_pipeline.core.ports import BatchExportRepository

INTERVAL_SECONDS = 20.0
PATIENCE_SECONDS = 10.0


@contextmanager
def heartbeat(
    export_rows: BatchExportRepository,
    export_id: str,
    owner: str,
    interval_seconds: float = INTERVAL_SECONDS,
) -> Iterator[None]:
    """Touches the row of an export while the context lasts.

    From a thread, since the work itself may be one long query, or one long upload. A row that is
    not PROCESSING, or is another's, is left alone, and a database that is away is no reason to stop
    working.

    Args:
        export_rows: May be used by several threads.
        export_id: Whose row is touched.
        owner: The root run of the chain that works.
        interval_seconds: Between two touches; the first is one interval after the beginning.
    """
    ended = threading.Event()

    def touch_until_the_end() -> None:
        while not ended.wait(interval_seconds):
            with suppress(ExportError):
                export_rows.touch(export_id, owner)

    thread = threading.Thread(target=touch_until_the_end, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(PATIENCE_SECONDS)
