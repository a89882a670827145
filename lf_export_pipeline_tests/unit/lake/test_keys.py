"""Every id of a project has a place of its own, which can be told from the key again."""

from hypothesis import example, given
from hypothesis import strategies as st

from lf_export_pipeline.lake.keys import LakeKeys, Place

KEYS = LakeKeys("some/prefix/")

projects = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
days = st.sampled_from(["", "2026-11-28"])


@given(projects, days)
@example("..", "2026-11-28")
@example("a/b", "")
@example("project=x/day=y", "")
def test_keys_tell_their_place(project: str, day: str) -> None:
    place = Place("traces", project, day)
    assert KEYS.object_place("traces", KEYS.object(place)) == place
    assert KEYS.manifest_place("traces", KEYS.manifest(place)) == place
    assert {".", "..", ""}.isdisjoint(KEYS.object(place).split("/"))


def test_the_layout_is_the_one_that_readers_know() -> None:
    place = Place("traces", "p 1", "2026-11-28")
    assert KEYS.object(place) == ("some/prefix/v1/traces/project=p%201/day=2026-11-28/data.parquet")
    assert KEYS.manifest(place) == (
        "some/prefix/v1/_manifests/traces/project=p%201/day=2026-11-28.json"
    )
    assert KEYS.schema("traces", "0a") == "some/prefix/v1/_schemas/traces-0a.json"


def test_what_others_have_put_there_is_nobodys() -> None:
    for key in ("readme.txt", "project=a/notes/data.parquet", "x/day=2026-01-01/data.parquet"):
        assert KEYS.object_place("traces", f"{KEYS.objects('traces')}{key}") is None
