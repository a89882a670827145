import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from lf_export_pipeline.file.read_ahead import read_ahead


class Counting:
    """A source of numbers that remembers what was done with it."""

    def __init__(self, count: int, broken_after: int | None = None) -> None:
        self._count = count
        self._broken_after = broken_after
        self.given = 0
        self.is_closed = False
        self.threads: set[int] = set()

    @contextmanager
    def open(self) -> Iterator[Iterator[int]]:
        self.threads.add(threading.get_ident())
        try:
            yield self._numbers()
        finally:
            self.threads.add(threading.get_ident())
            self.is_closed = True

    def _numbers(self) -> Iterator[int]:
        for number in range(self._count):
            if number == self._broken_after:
                raise ConnectionResetError
            self.threads.add(threading.get_ident())
            self.given += 1
            yield number


def test_all_items_arrive_in_order_and_the_source_is_closed() -> None:
    source = Counting(100)
    with read_ahead(source.open) as items:
        assert list(items) == list(range(100))
    assert source.is_closed


def test_the_source_lives_in_one_thread_which_is_not_the_consumers() -> None:
    source = Counting(3)
    with read_ahead(source.open) as items:
        list(items)
    assert len(source.threads) == 1
    assert threading.get_ident() not in source.threads


def test_never_more_than_three_items_are_in_memory() -> None:
    source = Counting(50)
    with read_ahead(source.open) as items:
        for taken, _ in enumerate(items, start=1):
            assert source.given <= taken + 2


def test_an_error_arrives_after_the_items_before_it() -> None:
    source = Counting(10, broken_after=2)
    with read_ahead(source.open) as items:
        assert [next(items), next(items)] == [0, 1]
        with pytest.raises(ConnectionResetError):
            next(items)
    assert source.is_closed


def test_a_source_that_cannot_be_opened_raises_where_items_are_taken() -> None:
    def broken() -> AbstractContextManager[Iterator[int]]:
        raise ConnectionRefusedError

    with read_ahead(broken) as items, pytest.raises(ConnectionRefusedError):
        next(items)


def test_leaving_early_closes_the_source_without_reading_the_rest() -> None:
    source = Counting(1_000_000)
    with read_ahead(source.open) as items:
        assert next(items) == 0
    assert source.is_closed
    assert source.given <= 4


def test_an_error_of_the_consumer_passes_and_closes_the_source() -> None:
    source = Counting(1_000_000)
    with pytest.raises(ZeroDivisionError), read_ahead(source.open) as items:
        assert next(items) // 0
    assert source.is_closed
