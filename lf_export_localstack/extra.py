"""Whether what the embedded servers consist of is installed: the extra ``local``."""

import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution, requires

from lf_export_pipeline.core.errors import ExportError

DISTRIBUTION = "lf-export-pipeline"
EXTRA = "local"


class ExtraMissingError(ExportError):
    """The package was installed without the embedded servers; the message says how it is done."""


def require_extra() -> None:
    """Returns if all distributions of the extra are there.

    Raises:
        ExtraMissingError: some are not.
    """
    if missing := [name for name in _names() if not _is_installed(name)]:
        raise ExtraMissingError(
            f"The embedded servers need the extra `{EXTRA}` ({', '.join(missing)} not installed); "
            f"in the repository, say: pip install -c constraints.txt -e '.[{EXTRA}]'"
        )


def _names() -> Iterator[str]:
    for line in requires(DISTRIBUTION) or ():
        name, _, marker = line.partition(";")
        if re.fullmatch(rf"\s*extra == ['\"]{EXTRA}['\"]\s*", marker):
            yield re.split(r"[\s\[(<>=!~]", name.strip())[0]


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True
