import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lf_export_localstack.stack.local_stack import LocalStack


@pytest.fixture
def reachable_dir() -> Iterator[Path]:
    """A directory that the user that Postgres runs as can reach if root runs the tests."""
    directory = Path(tempfile.mkdtemp(prefix="lf-export-tests-"))
    directory.chmod(0o711)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def state_dir(reachable_dir: Path) -> Iterator[Path]:
    """A state directory whose stack is stopped and removed at the end, as in a checkout."""
    directory = reachable_dir / "state"
    yield directory
    LocalStack(directory).destroy()
