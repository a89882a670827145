"""The doctor's lines come as the checks end: a part that is slow hides no other."""

import io
import sys
import time
from collections.abc import Iterator

import pytest

from lf_export_pipeline.cli import doctor
from lf_export_pipeline.cli.doctor import Check
from lf_export_pipeline.settings import Settings


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


class Terminal(io.StringIO):
    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


@pytest.mark.parametrize("is_terminal", [True, False])
def test_part_that_has_not_answered_is_named_on_a_terminal_alone(
    monkeypatch: pytest.MonkeyPatch, *, is_terminal: bool
) -> None:
    errors, seen = Terminal(is_terminal=is_terminal), list[str]()

    def answers_late() -> str:
        deadline = time.monotonic() + 10
        while is_terminal and "S3" not in errors.getvalue() and time.monotonic() < deadline:
            time.sleep(0.01)
        seen.append(errors.getvalue())
        return "is good"

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", errors)
    monkeypatch.setattr(doctor, "_probes", lambda *_: [("S3", answers_late)])

    (check,) = doctor.run_checks(Settings.model_construct(), {})

    assert check.message == "is good"
    assert ("Trying S3" in seen[0]) is is_terminal
    if not is_terminal:
        assert errors.getvalue() == ""
