"""The documentation as a site: each link leads somewhere; into the repository it is bare text."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tools.site_links import on_page_markdown

REPOSITORY = Path(__file__).parents[2]


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path],
        cwd=REPOSITORY,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert built.returncode == 0, built.stderr
    pages = {str(page.relative_to(tmp_path)) for page in tmp_path.rglob("index.html")}
    documents = (REPOSITORY / "docs").rglob("*.md")
    assert len(pages) == len([*documents])


@pytest.mark.parametrize(
    ("page", "markdown", "shown"),
    [
        ("operating.md", "see [`deploy/`](../deploy) now", "see `deploy/` now"),
        ("operating.md", "[a](alerting.md#b)", "[a](alerting.md#b)"),
        ("adr/0005-short-ticks.md", "[a](../operating.md)", "[a](../operating.md)"),
        ("adr/0005-short-ticks.md", "[a](../../bench/README.md)", "a"),
        ("index.md", "[a](https://example.com/../b)", "[a](https://example.com/../b)"),
    ],
)
def test_a_link_that_leaves_the_docs_is_text(page: str, markdown: str, shown: str) -> None:
    place = SimpleNamespace(file=SimpleNamespace(src_uri=page))
    assert on_page_markdown(markdown, page=place) == shown
