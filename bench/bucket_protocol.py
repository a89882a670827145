"""As much of S3 as an upload needs, over what is known of parts and objects: no bytes, no sockets.

A part that comes with a checksum in its headers is believed, and answered with the same one. The
MD5 of another is its ETag, which is all the proof that S3 gives then; who takes the bytes makes it.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

CHECKSUMS: Final = ("sha256", "sha1", "crc64nvme", "crc32c", "crc32")
OPAQUE: Final = "discarded"
"""An ETag that is no MD5, as of what is encrypted with a key of KMS."""

_BEGUN: Final = "2031-01-01T00:00:00.000Z"
_XMLNS: Final = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked; of the body only what is small and matters."""

    method: str
    target: str
    headers: Mapping[str, str]  # by lower-case names
    body: bytes = b""
    md5: str | None = None  # of a body that was discarded, where it was made

    @property
    def key(self) -> str:
        """Bucket and key, as in the path."""
        return unquote(urlsplit(self.target).path)

    @property
    def query(self) -> dict[str, str]:
        """The parameters; those without a value are empty."""
        found = parse_qs(urlsplit(self.target).query, keep_blank_values=True)
        return {name: values[0] for name, values in found.items()}

    @property
    def length(self) -> int:
        """The bytes that are sent."""
        return int(self.headers.get("content-length", 0))

    @property
    def size(self) -> int:
        """The bytes that are meant, without the framing of ``aws-chunked``."""
        return int(self.headers.get("x-amz-decoded-content-length", self.length))

    @property
    def checksum(self) -> tuple[str, str] | None:
        """Algorithm and value, as the headers tell."""
        for name in CHECKSUMS:
            if value := self.headers.get(f"x-amz-checksum-{name}"):
                return name, value
        return None

    @property
    def is_summed(self) -> bool:
        """Whether the MD5 of the body is all that can prove it."""
        is_framed = "x-amz-decoded-content-length" in self.headers
        return self.method == "PUT" and self.checksum is None and not is_framed


@dataclass(frozen=True, slots=True)
class Reply:
    """A status, headers and a small text; ``size`` where there is a length without a body."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    text: str = ""
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A part, or a whole object, of which nothing is left."""

    size: int
    etag: str
    checksum: tuple[str, str] | None

    @property
    def headers(self) -> dict[str, str]:
        """As S3 answers with them."""
        told = {f"x-amz-checksum-{self.checksum[0]}": self.checksum[1]} if self.checksum else {}
        return {"ETag": f'"{self.etag}"', **told}


@dataclass(slots=True)
class _Upload:
    key: str
    algorithm: str | None
    parts: dict[int, Part] = field(default_factory=dict)


class Bucket:
    """All objects and uploads. One request at a time."""

    def __init__(self) -> None:
        self.bytes_taken = 0
        self.objects: dict[str, Part] = {}
        self._uploads: dict[str, _Upload] = {}
        self._begun = 0

    def answer(self, asked: Request) -> Reply:
        """The answer; a request that is not known is refused as S3 refuses it."""
        query = asked.query
        kind = "upload" if "uploadId" in query else "uploads" if "uploads" in query else "object"
        answer = {
            ("POST", "uploads"): self._begin,
            ("PUT", "upload"): self._put_part,
            ("POST", "upload"): self._complete,
            ("GET", "upload"): self._list_parts,
            ("DELETE", "upload"): self._abort,
            ("GET", "uploads"): self._list_uploads,
            ("PUT", "object"): self._put_object,
            ("HEAD", "object"): self._look,
            ("GET", "object"): self._look,
            ("DELETE", "object"): self._delete,
        }.get((asked.method, kind))
        if answer is None:
            return _error(501, "NotImplemented", "This bucket takes uploads, and nothing else.")
        return answer(asked)

    def _begin(self, asked: Request) -> Reply:
        self._begun += 1
        upload_id = f"upload-{self._begun}"
        algorithm = asked.headers.get("x-amz-checksum-algorithm")
        self._uploads[upload_id] = _Upload(asked.key, algorithm)
        headers = {"x-amz-checksum-algorithm": algorithm} if algorithm else {}
        body = f"<UploadId>{upload_id}</UploadId>"
        return _xml("InitiateMultipartUploadResult", body, headers)

    def _put_object(self, asked: Request) -> Reply:
        part = self._taken(asked)
        self.objects[asked.key] = part
        return Reply(200, part.headers)

    def _put_part(self, asked: Request) -> Reply:
        upload = self._uploads.get(asked.query["uploadId"])
        if upload is None:
            return _no_upload()
        part = self._taken(asked)
        upload.parts[int(asked.query["partNumber"])] = part
        return Reply(200, part.headers)

    def _taken(self, asked: Request) -> Part:
        self.bytes_taken += asked.size
        return Part(asked.size, asked.md5 or OPAQUE, asked.checksum)

    def _complete(self, asked: Request) -> Reply:
        upload_id = asked.query["uploadId"]
        upload = self._uploads.get(upload_id)
        if upload is None:
            return _no_upload()
        numbers = _part_numbers(asked.body)
        if not numbers or not set(numbers) <= upload.parts.keys():
            return _error(400, "InvalidPart", "A part of the list was never sent.")
        whole = _whole([upload.parts[number] for number in numbers])
        self.objects[upload.key] = whole
        del self._uploads[upload_id]
        body = f"<Key>{escape(upload.key)}</Key><ETag>&quot;{whole.etag}&quot;</ETag>"
        return _xml("CompleteMultipartUploadResult", body)

    def _delete(self, asked: Request) -> Reply:
        self.objects.pop(asked.key, None)
        return Reply(204)

    def _abort(self, asked: Request) -> Reply:
        known = self._uploads.pop(asked.query["uploadId"], None)
        return Reply(204) if known else _no_upload()

    def _list_parts(self, asked: Request) -> Reply:
        upload = self._uploads.get(asked.query["uploadId"])
        if upload is None:
            return _no_upload()
        parts = "".join(_listed(number, part) for number, part in sorted(upload.parts.items()))
        return _xml("ListPartsResult", f"<IsTruncated>false</IsTruncated>{parts}")

    def _list_uploads(self, asked: Request) -> Reply:
        """Those below the asked bucket; their keys are without its name."""
        bucket = f"{asked.key.rstrip('/')}/"
        found = "".join(
            f"<Upload><Key>{escape(upload.key.removeprefix(bucket))}</Key>"
            f"<UploadId>{upload_id}</UploadId><Initiated>{_BEGUN}</Initiated></Upload>"
            for upload_id, upload in self._uploads.items()
        )
        body = f"<IsTruncated>false</IsTruncated>{found}"
        return _xml("ListMultipartUploadsResult", body)

    def _look(self, asked: Request) -> Reply:
        """An object's size and sums; its bytes are gone, so ``GET`` finds none."""
        found = self.objects.get(asked.key)
        if asked.method == "HEAD" and found is not None:
            return Reply(200, found.headers, size=found.size)
        return _error(404, "NoSuchKey", "What this bucket takes it discards.")


def _whole(parts: list[Part]) -> Part:
    """An object of several parts, with sums as S3 makes them: of the parts' own."""
    size = sum(part.size for part in parts)
    try:
        digests = b"".join(bytes.fromhex(part.etag) for part in parts)
        etag = f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}"
    except ValueError:
        etag = f"{OPAQUE}-{len(parts)}"
    told = [part.checksum[1] for part in parts if part.checksum and part.checksum[0] == "sha256"]
    if len(told) < len(parts):
        return Part(size, etag, None)
    whole = hashlib.sha256(b"".join(map(base64.b64decode, told))).digest()
    return Part(size, etag, ("sha256", f"{base64.b64encode(whole).decode()}-{len(parts)}"))


def _part_numbers(body: bytes) -> list[int]:
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        return []
    return [int(found.text or 0) for found in root.iter() if found.tag.endswith("PartNumber")]


def _listed(number: int, part: Part) -> str:
    told = ""
    if part.checksum:
        name = f"Checksum{part.checksum[0].upper()}"
        told = f"<{name}>{part.checksum[1]}</{name}>"
    return (
        f"<Part><PartNumber>{number}</PartNumber><ETag>&quot;{part.etag}&quot;</ETag>"
        f"<Size>{part.size}</Size>{told}</Part>"
    )


def _xml(name: str, body: str, headers: dict[str, str] | None = None) -> Reply:
    return Reply(200, headers or {}, f"<{name} {_XMLNS}>{body}</{name}>")


def _error(status: int, code: str, message: str) -> Reply:
    return Reply(status, text=f"<Error><Code>{code}</Code><Message>{message}</Message></Error>")


def _no_upload() -> Reply:
    return _error(404, "NoSuchUpload", "There is no such upload.")
