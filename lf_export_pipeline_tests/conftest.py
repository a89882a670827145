"""What the tests of the product share; the stack is in ``lf_export_localstack_tests``."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline_tests.isolated_stack import IsolatedStack

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def isolated_stack(
    stack: LocalStack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[IsolatedStack]:
    """Databases that nobody else uses, on the shared servers."""
    isolated = IsolatedStack(stack, tmp_path_factory.mktemp("isolated"))
    yield isolated
    isolated.destroy()
