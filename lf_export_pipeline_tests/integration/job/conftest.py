from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline_tests.integration.job.real_exports import RealExports


@pytest.fixture(scope="module")
def exports(stack: LocalStack) -> Iterator[RealExports]:
    with ExitStack() as closing:
        yield RealExports(stack, closing)


@pytest.fixture(scope="module")
def project(exports: RealExports) -> str:
    """A project with a few MB of traces."""
    return exports.sample_project()
