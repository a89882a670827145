"""A hook of mkdocs: what the site shows of links that lead out of docs/, into the repository.

On a code host the same pages link to files beside them. The site does not have those files, and
where the repository is hosted is nothing that a page can know; so their names stand there instead.
"""

import re
from typing import Any

_LINK = re.compile(r"\[(?P<text>[^\]]+)\]\((?P<target>\.\./[^)]+)\)")


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """The page's text with the bare text of each link that leaves docs/."""
    depth = page.file.src_uri.count("/")
    return _LINK.sub(lambda link: _shown(link, depth), markdown)


def _shown(link: re.Match[str], depth: int) -> str:
    leaves_docs = link["target"].count("../") > depth
    return link["text"] if leaves_docs else link[0]
