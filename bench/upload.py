"""What an upload alone costs: ``python -m bench.upload FILE`` prints processor seconds per GB.

The file is sent to a bucket that discards it (``bucket.py``), and to the S3 server of the
embedded stack whose folder is named. Beside it stands the same without any proof and any checksum:
presigned addresses, and the buffer itself on the socket.
"""

import argparse
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import psutil

from bench.bucket import bucket_elsewhere
from bench.lean_upload import send_lean
from bench.measuring import cpu_seconds
from lf_export_localstack.processes import state
from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline.adapters.s3.object_store import S3ObjectStore
from lf_export_pipeline.core.query.chunk_plan import MEBIBYTE
from lf_export_pipeline.file.part_stream import PartStream
from lf_export_pipeline.settings import Settings

KEY = "bench-upload"
PART_BYTES = 10 * MEBIBYTE
READ_BYTES = 2 * MEBIBYTE
Way = Callable[[S3ObjectStore, Path], None]
ENDPOINT = "LANGFUSE_S3_BATCH_EXPORT_ENDPOINT"


def main() -> None:
    """Measure each way in turns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--stack", type=Path, help="folder of a stack, which is started")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with ExitStack() as servers:
        bucket = servers.enter_context(bucket_elsewhere())
        elsewhere = S3ObjectStore(Settings.load(_environment(bucket.endpoint)))
        places = {"elsewhere": (elsewhere, bucket.process.pid)}
        if options.stack:
            stack = servers.enter_context(LocalStack(options.stack))
            known = state.load(stack.state_dir)
            assert known
            real = S3ObjectStore(Settings.load(stack.environment()))
            places["SeaweedFS"] = real, known.processes["seaweedfs"].pid
        for _ in range(options.rounds):
            for place, (store, server) in places.items():
                _show(f"{place}: as spooled exports are sent", sent, store, options.file, server)
                _show(
                    f"{place}: as chunks are sent", sent_as_chunks_are, store, options.file, server
                )
                _show(f"{place}: the least there is", least, store, options.file, server)


def sent(store: S3ObjectStore, file: Path) -> None:
    """As the pipeline sends a file of the spool."""
    with file.open("rb") as source:
        store.upload(KEY, source, "text/plain", file.stat().st_size)


def sent_as_chunks_are(store: S3ObjectStore, file: Path) -> None:
    """As the pipeline sends rows while they are read, from a buffer that is used again."""
    begun, size = store.begin(KEY, "text/plain"), file.stat().st_size
    stream = PartStream(lambda: partial(store.send_part, begun), PART_BYTES, concurrency=3)
    with closing(stream), file.open("rb") as source:
        buffer = memoryview(bytearray(READ_BYTES))
        while length := source.readinto(buffer):
            stream.write(buffer[:length])
        stream.send_rest()
        parts = [part.result() for part in stream.taken()]
        store.complete(begun, parts, PART_BYTES, size)


def least(store: S3ObjectStore, file: Path) -> None:
    """One part after the other, unsigned, unsummed, unproven."""
    client = store._client  # noqa: SLF001 - the same connections as the product has
    send_lean(client, {"Bucket": store.bucket, "Key": KEY}, file)


def _show(
    name: str,
    way: Callable[[S3ObjectStore, Path], None],
    store: S3ObjectStore,
    file: Path,
    pid: int,
) -> None:
    server, gigabytes = psutil.Process(pid), file.stat().st_size / 1e9
    begun = time.process_time(), cpu_seconds(server), time.perf_counter()
    way(store, file)
    ended = time.process_time(), cpu_seconds(server), time.perf_counter()
    own, others, wall = ((b - a) / gigabytes for a, b in zip(begun, ended, strict=True))
    store.delete(KEY)
    print(f"{name:35} own {own:5.2f}  server {others:5.2f}  wall {wall:5.2f} s/GB", flush=True)


def _environment(address: str) -> dict[str, str]:
    prefix = "LANGFUSE_S3_BATCH_EXPORT"
    return {
        "DATABASE_URL": "postgresql://user@127.0.0.1/none",
        "CLICKHOUSE_URL": "http://127.0.0.1:9",
        "CLICKHOUSE_USER": "none",
        "CLICKHOUSE_PASSWORD": "none",
        ENDPOINT: address,
        f"{prefix}_BUCKET": "bench",
        f"{prefix}_REGION": "us-east-1",
        f"{prefix}_ACCESS_KEY_ID": "bench",
        f"{prefix}_SECRET_ACCESS_KEY": "bench",
        f"{prefix}_FORCE_PATH_STYLE": "true",
    }


if __name__ == "__main__":
    main()
