"""What is wrong with the lake's bucket is said with the names of the lake's settings."""

from collections.abc import Callable
from io import BytesIO

import pytest

from lf_export_pipeline.core.errors import ConfigurationError, ExportError, TransientError
from lf_export_pipeline.lake.named_settings import NamedSettings
from lf_export_pipeline.lake.ports import LakeBucket

SENTENCE = "Check LANGFUSE_S3_BATCH_EXPORT_BUCKET, LANGFUSE_S3_BATCH_EXPORT_REGION."


class Broken:
    def __init__(self, error: ExportError) -> None:
        self._error = error

    def __getattr__(self, name: str) -> object:
        def fail(*_: object) -> object:
            raise self._error

        return fail


def said(error: ExportError, call: str, *, own: bool) -> str:
    broken: LakeBucket = Broken(error)  # type: ignore[assignment]
    bucket = NamedSettings(broken, has_own_service=own)
    calls: dict[str, Callable[[], object]] = {
        "put": lambda: bucket.put("a", BytesIO(), "", 0),
        "read": lambda: bucket.read("a"),
        "head": lambda: bucket.head("a"),
        "delete": lambda: bucket.delete("a"),
        "listed": lambda: list(bucket.listed("a/")),
        "folders": lambda: list(bucket.folders("a/")),
    }
    with pytest.raises(type(error)) as caught:
        calls[call]()
    return str(caught.value)


@pytest.mark.parametrize("call", ["put", "read", "head", "delete", "listed", "folders"])
@pytest.mark.parametrize("kind", [ConfigurationError, TransientError])
def test_settings_are_those_of_the_lake(call: str, kind: type[ExportError]) -> None:
    assert said(kind(SENTENCE), call, own=True) == (
        "Check LF_EXPORT_LAKE_URL, LF_EXPORT_LAKE_S3_REGION."
    )


def test_a_lake_at_the_service_of_exports_has_their_settings_but_the_bucket() -> None:
    assert said(ConfigurationError(SENTENCE), "read", own=False) == (
        "Check LF_EXPORT_LAKE_URL, LANGFUSE_S3_BATCH_EXPORT_REGION."
    )
