"""Where a lake can be, and what is said of the rest."""

import pytest

from lf_export_pipeline.core.errors import ConfigurationError
from lf_export_pipeline.settings.lake import LakeSettings
from lf_export_pipeline.settings.sentences import in_sentences


def at(url: str) -> LakeSettings:
    with in_sentences(LakeSettings):
        return LakeSettings.model_validate({"lf_export_lake_url": url})


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("s3://lake", ("lake", "")),
        ("s3://lake/", ("lake", "")),
        ("S3://lake/a/b/", ("lake", "a/b/")),
        ("s3://lake/a%20b/..c", ("lake", "a b/..c/")),
    ],
)
def test_a_lake_is_in_a_bucket_below_a_prefix(url: str, place: tuple[str, str]) -> None:
    assert (at(url).lake_bucket, at(url).lake_path) == (place, None)


@pytest.mark.parametrize(("url", "path"), [("file:///a%20b", "/a b"), ("file:/a", "/a")])
def test_a_lake_is_in_a_folder(url: str, path: str) -> None:
    assert at(url).lake_path == path


@pytest.mark.parametrize(
    "url",
    [
        *(
            "s3://key:secret@lake/a",
            "s3://secret@lake",
            "s3://lake/?key=secret",
            "s3://lake#secret",
        ),
        *("s3://[lake/secret", "s3://lake:9000/secret", "s3:///secret", "https://lake/secret"),
        *("s3://lake/../secret", "s3://lake/a/%2E/secret", "file:///a/../secret"),
        *("file://host/secret", "file:secret", "s3://lake/secret ", ""),
    ],
)
def test_what_is_no_place_is_said_without_what_may_be_secret(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        at(url)
    assert str(caught.value) == (
        "LF_EXPORT_LAKE_URL has a value of the wrong form; "
        "expected s3://bucket/prefix or file:///path."
    )


@pytest.mark.parametrize("day", ["1969-12-31", "2026-02-30", "soon"])
def test_a_lake_begins_on_a_day_that_days_are_told_apart_by(day: str) -> None:
    with (
        pytest.raises(ConfigurationError, match=r"LF_EXPORT_LAKE_START .*not before 1970"),
        in_sentences(LakeSettings),
    ):
        LakeSettings.model_validate({"lf_export_lake_start": day})
