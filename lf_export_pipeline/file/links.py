"""Which object of the bucket a download link leads to."""

import re
from urllib.parse import unquote

from lf_export_pipeline.core.ports import ObjectStore
from lf_export_pipeline.file.object_keys import is_export_key


def leads_to(url: str, key: str) -> bool:
    """Whether a link may be one to this object; what a link may lead to is not deleted.

    Host, bucket and the path of the service's own address stand before the key, and an operator can
    have changed each of them since. The key itself holds its millisecond and its project.
    """
    path = re.split(r"[?#]", url, maxsplit=1)[0]
    return unquote(path).endswith(f"/{key}")


def key_of_link(url: str, files: ObjectStore, prefix: str) -> str | None:
    """The key of an export in the bucket that a link leads to; None for any other link."""
    return next((key for key in files.keys_of_link(url) if is_export_key(key, prefix)), None)
