"""What the tags of a run hold, whatever the row does."""

import pytest

from lf_export_pipeline.lifecycle.tags import TAG_MAX_CHARACTERS, project_tag, tags_of
from lf_export_pipeline_tests.numbers_table import export_row

ODD = ("a,b", "a\nb", "ab", "a\tb", "", "x" * 63, "x" * 64, "x" * 65, "\n", "\t")


@pytest.mark.parametrize("project", ["project-1", "a,b", "x" * 63])
def test_a_short_plain_project_is_its_own_tag(project: str) -> None:
    assert project_tag(export_row(project_id=project)) == project


def test_projects_that_have_to_be_changed_keep_tags_of_their_own() -> None:
    tags = [project_tag(export_row(project_id=project)) for project in ODD]
    assert len(set(tags)) == len(ODD)
    assert all(tag.isprintable() and 0 < len(tag) <= TAG_MAX_CHARACTERS for tag in tags)


def test_tags_say_who_asked_for_what() -> None:
    tags = tags_of(export_row(name="Traces of June", user_id="u-alice", project_id="shop"))
    assert tags["lf_export/name"] == "Traces of June"
    assert tags["lf_export/user"] == "u-alice"
    assert tags["lf_export/project"] == "shop"
    assert tags["lf_export/table"] == "numbers"


@pytest.mark.parametrize("text", ODD)
def test_names_and_users_are_bounded_and_visible_and_left_out_if_empty(text: str) -> None:
    tags = tags_of(export_row(name=text, user_id=text))
    kept = [tags[tag] for tag in ("lf_export/name", "lf_export/user") if tag in tags]
    assert len(kept) == (2 if text else 0)
    assert all(tag.isprintable() and 0 < len(tag) <= TAG_MAX_CHARACTERS for tag in kept)
