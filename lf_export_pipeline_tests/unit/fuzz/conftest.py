"""How many examples hypothesis makes for each test; ``make faults`` asks for 20,000."""

import os

from hypothesis import HealthCheck, settings

from lf_export_pipeline_tests.effort import IS_LONG, examples

EXAMPLES = int(os.environ.get("LF_EXPORT_FUZZ_EXAMPLES", examples(200)))

settings.register_profile(
    "fuzz",
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=not IS_LONG,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
