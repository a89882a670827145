"""How many examples hypothesis makes: a few in the short form, 20,000 in all in the long one."""

import os

from hypothesis import HealthCheck, settings

EXAMPLES = int(os.environ.get("LF_EXPORT_FUZZ_EXAMPLES", "200"))

settings.register_profile(
    "fuzz",
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
