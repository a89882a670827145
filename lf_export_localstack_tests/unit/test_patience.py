"""Patience ends with standstill and not with time."""

import pytest

from lf_export_localstack.processes.patience import Patience


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr("lf_export_localstack.processes.patience.time.monotonic", lambda: now[0])
    return now


def test_what_moves_may_take_for_ever(clock: list[float]) -> None:
    patience = Patience(60)

    for minute in range(1_000):
        clock[0] += 59
        assert not patience.is_over(minute)


def test_what_stands_still_may_not(clock: list[float]) -> None:
    patience = Patience(60)
    clock[0] = 1_000
    assert not patience.is_over("first look")

    clock[0] += 60
    assert not patience.is_over("first look")
    clock[0] += 1
    assert patience.is_over("first look")
    assert not patience.is_over("it moves again")
