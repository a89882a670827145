"""Links to a bucket's objects: what a browser saves, and where they lead."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from lf_export_pipeline.settings.s3 import S3Settings

_AWS_HOST = (  # in every partition of AWS
    r"s3(-fips)?(\.dualstack)?([.-][a-z0-9-]+)?\."
    r"(amazonaws\.(com|com\.cn|eu)|c2s\.ic\.gov|sc2s\.sgov\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov)"
)


def content_disposition(file_name: str) -> str:
    """The header that makes a browser save the file, under a name that cannot leave its quotes."""
    printable = "".join(character for character in file_name if character.isprintable())
    plain = printable.encode("ascii", "replace").decode().replace("\\", "\\\\")
    quoted = plain.replace('"', '\\"')
    header = f'attachment; filename="{quoted}"'
    if printable.isascii():
        return header
    return f"{header}; filename*=UTF-8''{quote(printable, safe='')}"


def keys_of_link(url: str, settings: S3Settings) -> Iterator[str]:
    """The keys in our bucket that a link may lead to; none of any other link.

    The bucket stands in the host's name or is the first segment of the path, never both, so that
    nothing of a key is taken for the bucket.
    """
    if bucket := settings.langfuse_s3_batch_export_bucket:
        keys = (service.key_at(url, bucket) for service in _services(settings))
        yield from filter(None, keys)


@dataclass(frozen=True, slots=True)
class _Service:
    """An address of the bucket's service: a pattern of the host, and a path of its own."""

    host: str
    path: str

    def key_at(self, url: str, bucket: str) -> str | None:
        """The key, if the link is one to this service and bucket."""
        try:
            link = urlsplit(url)
        except ValueError:
            return None
        host, path = link.hostname or "", unquote(link.path)
        if re.fullmatch(rf"{re.escape(bucket)}\.{self.host}", host):
            above = f"{self.path}/"
        elif re.fullmatch(self.host, host):
            above = f"{self.path}/{bucket}/"
        else:
            return None
        return path.removeprefix(above) if path.startswith(above) else None


def _services(settings: S3Settings) -> Iterator[_Service]:
    """Where links lead now, and where they led before an external endpoint was set."""
    endpoint = settings.langfuse_s3_batch_export_endpoint
    for address in (settings.langfuse_s3_batch_export_external_endpoint or endpoint, endpoint):
        if address is None:
            yield _Service(_AWS_HOST, "")
        else:
            parts = urlsplit(address)
            yield _Service(re.escape(parts.hostname or ""), unquote(parts.path).rstrip("/"))
