"""The leanest upload there is: signed URLs of parts, and buffers that go straight to the socket."""

import http.client
import mmap
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.world import World
from lf_export_pipeline.adapters.s3.s3_client import s3_client

PART_BYTES = 32 << 20
KEY = "bench-lean-upload"


def leanest_upload(here: World, file: Path) -> int:
    """A file into the real S3 server, and out of it again; its bytes."""
    settings = here.settings
    bucket = here.ports["files"].bucket
    client: Any = s3_client(settings, bucket, settings.langfuse_s3_batch_export_endpoint)
    place = {"Bucket": bucket, "Key": KEY}
    send_lean(client, place, file)
    client.delete_object(**place)
    client.close()
    return file.stat().st_size


def send_lean(client: Any, place: dict[str, str], file: Path) -> None:
    """A file to a place, unsigned but for the URLs of its parts, without any sum or proof."""
    upload = client.create_multipart_upload(**place)["UploadId"]
    with file.open("rb") as source, mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        parts = [
            {
                "PartNumber": number,
                "ETag": _sent(client, {**place, "UploadId": upload}, number, whole),
            }
            for number in range(1, -(-len(whole) // PART_BYTES) + 1)
        ]
    client.complete_multipart_upload(**place, UploadId=upload, MultipartUpload={"Parts": parts})


def _sent(client: Any, place: dict[str, str], number: int, whole: mmap.mmap) -> str:
    """The ETag of a part."""
    url = client.generate_presigned_url("upload_part", {**place, "PartNumber": number})
    parts = urlsplit(url)
    at = (number - 1) * PART_BYTES
    with memoryview(whole) as view, view[at : at + PART_BYTES] as body:
        connection = http.client.HTTPConnection(parts.netloc)
        # The server gzips what it takes for text.
        headers = {"Content-Type": "application/zstd", "Content-Length": str(len(body))}
        connection.request("PUT", re.sub(r"^https?://[^/]+", "", url), body, headers)
        answer = connection.getresponse()
        answer.read()
        connection.close()
    if answer.status != 200:
        message = f"The S3 server answers with status {answer.status}."
        raise RuntimeError(message)
    return str(answer.headers["ETag"])
