"""How many examples hypothesis makes for each test: a few, or 20,000 in the long form."""

import os

from hypothesis import HealthCheck, settings

EXAMPLES = int(os.environ.get("LF_EXPORT_FUZZ_EXAMPLES", "200"))

settings.register_profile(
    "fuzz",
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
