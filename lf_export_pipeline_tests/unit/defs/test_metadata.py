"""How much of an export gets into Dagster's database."""

import dagster as dg
import pytest

from lf_export_pipeline.defs.metadata import bounded

COLUMNS = dg.TableSchema([dg.TableColumn("n" * 2_000, "json")] * 500)
LARGE = {
    "preview": dg.MetadataValue.md("x" * 300_000),
    "manifest": dg.MetadataValue.json({"columns": ["n" * 2_000] * 500}),
    "columns": COLUMNS,
}


def event(**metadata: object) -> dg.AssetMaterialization:
    return dg.AssetMaterialization("exports", metadata={"rows": 3, **metadata})  # type: ignore[dict-item]


@pytest.mark.parametrize("names", [*([name] for name in LARGE), [*LARGE]])
def test_what_is_too_large_is_left_out_and_named(names: list[str]) -> None:
    found = bounded(event(**{name: LARGE[name] for name in names}, small="kept"), 100_000)

    assert len(dg.serialize_value(found)) < 101_000
    assert (found.metadata["rows"].value, found.metadata["small"].value) == (3, "kept")
    said = str(found.metadata["left_out"].value)
    assert all(name in said for name in names)
    assert "more than LF_EXPORT_EVENT_MAX_KIB allows" in said


def test_no_more_is_left_out_than_must_be() -> None:
    found = bounded(event(**LARGE), 400_000)
    assert "preview" in found.metadata
    assert "manifest" not in found.metadata


def test_an_event_that_fits_stays_as_it_is() -> None:
    small = event(preview=dg.MetadataValue.md("a"))
    assert bounded(small, 100_000) is small
