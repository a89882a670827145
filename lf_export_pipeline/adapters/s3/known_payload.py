"""Signs a part that has been summed already, without summing it again.

A signature of S3 covers the SHA-256 of the body, which is also the checksum that the service is
told and answers with. botocore makes the one apart from the other.
"""

from typing import TYPE_CHECKING, Any

from botocore.auth import AUTH_TYPE_MAPS, S3SigV4Auth
from botocore.awsrequest import AWSRequest

from lf_export_pipeline.adapters.s3.part_buffers import PartBody

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_S3V4 = "s3v4"
_KNOWN = "s3v4-known-payload"


class KnownPayloadAuth(S3SigV4Auth):
    """The signature that botocore makes, over the same bytes."""

    def payload(self, request: AWSRequest) -> str:
        """The body's SHA-256 in hexadecimal digits: its own, where it has one."""
        body = request.body
        return body.sha256.hex() if isinstance(body, PartBody) else str(super().payload(request))


AUTH_TYPE_MAPS[_KNOWN] = KnownPayloadAuth


def sum_parts_once(client: "S3Client") -> None:
    """Lets the client sign parts by the checksums that they have."""
    events: Any = client.meta.events  # whose types know of no handler that answers
    for operation in ("PutObject", "UploadPart"):
        events.register(f"choose-signer.s3.{operation}", _chosen)


def _chosen(signature_version: str, **_: object) -> str | None:
    """None leaves signatures of other kinds, as those of directory buckets, to botocore."""
    return _KNOWN if signature_version == _S3V4 else None
