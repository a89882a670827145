"""The doctor's lines come as the checks end: a part that is slow hides no other."""

import io
import sys
from collections.abc import Iterator

import pytest

from lf_export_pipeline.cli import doctor
from lf_export_pipeline.cli.doctor import Check


def test_each_line_is_written_before_the_next_check_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written, seen = io.BytesIO(), list[str]()

    def checks() -> Iterator[Check]:
        for name in ("first", "second"):
            seen.append(written.getvalue().decode())
            yield Check(name, ok=True, message="is good")

    monkeypatch.setattr(doctor, "_checks", checks)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="utf-8"))
    assert doctor.doctor.callback is not None
    doctor.doctor.callback(as_json=False)
    assert seen[0] == ""
    assert "first" in seen[1]
