import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lf_export_pipeline.local.stack import LocalStack


@pytest.fixture
def state_dir() -> Iterator[Path]:
    """A state directory whose stack is stopped and removed at the end.

    Not below pytest's own directory: root's is closed to the user that Postgres runs as then.
    """
    directory = Path(tempfile.mkdtemp(prefix="lf-export-tests-")) / "state"
    try:
        yield directory
    finally:
        LocalStack(directory).destroy()
        shutil.rmtree(directory.parent)
