"""A table is one file: a module among the tables that registers it."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lf_export_pipeline.core import tables
from lf_export_pipeline.core.errors import InvalidFilterError, InvalidQueryError
from lf_export_pipeline_tests.exporting import Project, where

pytestmark = pytest.mark.services

MADE_UP = Path(__file__).parent / "made_up"


@pytest.fixture
def ninth_table(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a table whose file has been put beside the others, and is gone afterwards."""
    tables.table_names()
    monkeypatch.setattr(tables, "_TABLES", dict(tables._TABLES))
    monkeypatch.setattr(tables, "__path__", [*tables.__path__, str(MADE_UP)])
    tables._load_all.cache_clear()
    yield "trace_users"
    tables._load_all.cache_clear()
    sys.modules.pop(f"{tables.__name__}.trace_users", None)


def test_one_file_makes_a_table_exportable_in_every_format(
    project: Project, ninth_table: str
) -> None:
    assert ninth_table in tables.table_names()
    project.add("traces", {"id": "a", "user_id": "ada"}, {"id": "b"}, {"id": "c", "user_id": "cy"})
    expected = {
        "CSV": b'"id","user"\n"a","ada"\n"b",""\n"c","cy"\n',
        "JSON": b'[{"id":"a","user":"ada"},{"id":"b","user":null},{"id":"c","user":"cy"}]',
        "JSONL": b'{"id":"a","user":"ada"}\n{"id":"b","user":null}\n{"id":"c","user":"cy"}\n',
    }
    for file_format, data in expected.items():
        for chunk_rows in (1, 100):
            found = project.export(ninth_table, file_format=file_format, chunk_rows=chunk_rows)
            assert found.data == data


def test_its_filters_are_applied_and_others_are_refused(project: Project, ninth_table: str) -> None:
    project.add("traces", {"id": "a", "user_id": "ada"}, {"id": "b"})
    assert project.ids(ninth_table, where("user", "string", "=", "ada")) == {"a"}
    assert project.ids(ninth_table, where("user", "null", "is null", "")) == {"b"}
    with pytest.raises(InvalidFilterError, match="Column usr does not match"):
        project.export(ninth_table, [where("usr", "string", "=", "ada")])


def test_without_its_file_it_is_refused_with_the_tables_that_there_are(project: Project) -> None:
    with pytest.raises(InvalidQueryError, match=r"trace_users.* cannot be exported") as refusal:
        project.request("trace_users")
    assert "audit_logs" in refusal.value.user_message
