"""What holds for the tests of every package of this repository."""

from collections import Counter

import pytest

pytest_plugins = ["lf_export_localstack_tests.fixtures"]

SAMPLED = 3


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leaves most cases of a test that is ``sampled`` to the long form.

    Their first, fourth, seventh … stay, so that of two parameters neither loses one of its values.
    """
    seen = Counter[str]()
    for item in items:
        test = item.nodeid.partition("[")[0]
        if item.get_closest_marker("sampled") and seen[test] % SAMPLED:
            item.add_marker(pytest.mark.long)
        seen[test] += 1
