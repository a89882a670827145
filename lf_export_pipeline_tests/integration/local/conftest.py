import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lf_export_pipeline.local.stack import LocalStack


@pytest.fixture
def state_dir() -> Iterator[Path]:
    """A state directory whose stack is stopped and removed at the end.

    It can be reached by the user that Postgres runs as if root runs the tests, as a checkout can.
    """
    parent = Path(tempfile.mkdtemp(prefix="lf-export-tests-"))
    parent.chmod(0o711)
    directory = parent / "state"
    try:
        yield directory
    finally:
        LocalStack(directory).destroy()
        shutil.rmtree(parent)
