import pytest

from lf_export_pipeline.cli.write_mode_check import mode_of
from lf_export_pipeline.core.query.export_query import WriteMode


@pytest.mark.parametrize(
    ("legacy", "events", "mode"),
    [
        (True, True, WriteMode.DUAL),
        (True, False, WriteMode.LEGACY),
        (False, True, WriteMode.EVENTS_ONLY),
        (False, False, WriteMode.UNKNOWN),
    ],
)
def test_what_was_written_lately_tells_the_mode(
    mode: WriteMode, *, legacy: bool, events: bool
) -> None:
    assert mode_of(legacy=legacy, events=events) is mode
