"""What holds for the tests of every package of this repository."""

from collections import Counter

import pytest
from hypothesis import settings

from lf_export_pipeline_tests.effort import IS_LONG

# The short form tries the same each time, so that it fails only for what was changed; the long form
# looks for what nobody has thought of.
# How long an example takes is no matter of right and wrong: Hypothesis would judge the machine.
settings.register_profile("of this form", derandomize=not IS_LONG, deadline=None)
settings.load_profile("of this form")

pytest_plugins = ["lf_export_localstack_tests.fixtures"]

SAMPLED = 3

_seen = Counter[str]()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Leaves most cases of a test that is ``sampled`` to the long form.

    Their first, fourth, seventh … stay, so that of two parameters neither loses one of its values.
    As they are collected, since later they are shuffled, and each run would have another sample.
    """
    test = item.nodeid.partition("[")[0]
    if item.get_closest_marker("sampled") and _seen[test] % SAMPLED:
        item.add_marker(pytest.mark.long)
    _seen[test] += 1
