import threading

import pytest

from lf_export_pipeline.file.write_behind import PIECES_WAITING_MAX, write_behind

PIECES = [memoryview(bytes([number])) for number in range(50)]


def test_all_pieces_are_written_in_order_when_the_context_ends() -> None:
    written: list[memoryview] = []
    with write_behind(written.append) as write:
        for piece in PIECES:
            write(piece)
    assert written == PIECES


def test_the_writer_is_one_thread_which_is_not_the_callers() -> None:
    threads: set[int] = set()
    with write_behind(lambda _: threads.add(threading.get_ident())) as write:
        for piece in PIECES:
            write(piece)
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_no_more_pieces_wait_than_allowed() -> None:
    handed_over, written = 0, 0
    gaps: list[int] = []

    def count(_: memoryview) -> None:
        nonlocal written
        gaps.append(handed_over - written)
        written += 1

    with write_behind(count) as write:
        for piece in PIECES:
            write(piece)
            handed_over += 1
    assert max(gaps) <= PIECES_WAITING_MAX + 1


def test_an_error_of_the_last_piece_is_raised_at_the_end() -> None:
    def full(_: memoryview) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"), write_behind(full) as write:
        write(PIECES[0])


def test_an_error_is_raised_while_pieces_are_handed_over_and_nothing_is_written_after_it() -> None:
    written: list[memoryview] = []

    def break_at_the_third(piece: memoryview) -> None:
        written.append(piece)
        if len(written) == 3:
            raise OSError(5, "Input/output error")

    def hand_over() -> None:
        with write_behind(break_at_the_third) as write:
            for piece in PIECES:
                write(piece)

    with pytest.raises(OSError, match="Input/output"):
        hand_over()
    assert len(written) <= 3 + PIECES_WAITING_MAX


def test_a_piece_that_is_being_written_is_finished_when_the_context_is_left_early() -> None:
    begun, go_on = threading.Event(), threading.Event()
    written: list[memoryview] = []

    def slow(piece: memoryview) -> None:
        begun.set()
        go_on.wait(10)
        written.append(piece)

    def stop_early() -> None:
        with write_behind(slow) as write:
            write(PIECES[0])
            begun.wait(10)
            threading.Timer(0.1, go_on.set).start()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop_early()
    assert written == [PIECES[0]]
