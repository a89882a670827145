from datetime import UTC, datetime, timedelta, timezone

import pytest

from lf_export_pipeline.core.parsing import parse_request
from lf_export_pipeline.file.file_names import NAME_MAX_BYTES, file_name
from lf_export_pipeline_tests.numbers_table import export_row

TRACES: dict[str, object] = {"tableName": "traces", "filter": [], "orderBy": None}


def named(name: str, at: datetime = datetime(2031, 3, 1, 23, 30, tzinfo=UTC)) -> str:
    request = parse_request(export_row(query=TRACES))
    return file_name(request.model_copy(update={"name": name, "created_at": at}))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Weekly report", "Weekly report-2031-03-01.csv"),
        ("../../etc/passwd", "_.._etc_passwd-2031-03-01.csv"),
        ('a"; filename="b\\c', "a_; filename=_b_c-2031-03-01.csv"),
        ("a\r\nb\u202e\x00", "ab-2031-03-01.csv"),
        ("12:30 <x>|*?", "12_30 _x____-2031-03-01.csv"),
        ("質量 😀", "質量 😀-2031-03-01.csv"),
        (" . ", "traces-2031-03-01.csv"),
        ("", "traces-2031-03-01.csv"),
    ],
)
def test_a_file_is_called_by_its_export_and_the_day_in_utc(name: str, expected: str) -> None:
    assert named(name).rpartition(".")[0] == expected.rpartition(".")[0]


def test_the_day_is_that_of_utc_wherever_the_instant_was_written() -> None:
    east = datetime(2031, 3, 2, 4, tzinfo=timezone(timedelta(hours=9)))
    assert "2031-03-01" in named("x", east)


def test_a_long_name_is_cut_between_characters() -> None:
    assert len(named("é" * 500).encode()) <= NAME_MAX_BYTES + len("-2031-03-01.jsonl")
