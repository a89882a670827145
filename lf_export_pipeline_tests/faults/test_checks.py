"""The checks of the table of faults fail when what they look for has not happened."""

from dataclasses import replace

import pytest

from lf_export_pipeline_tests.faults import scenarios as s
from lf_export_pipeline_tests.faults.fault import Fault, problems_of
from lf_export_pipeline_tests.faults.fault_proxy import FaultProxy, Word
from lf_export_pipeline_tests.faults.outcome import Outcome
from lf_export_pipeline_tests.integration.adapters.proxy import (
    Answer,
    Drop,
    Instead,
    Lose,
    Meanwhile,
    Request,
)

ASKED = Request("POST", "/", b"SELECT 1")
BROKEN_OFF = Answer(200, body_bytes=10, is_whole=False)
NOTHING = Outcome(
    row=None,
    file=None,
    is_right=False,
    manifest={},
    recipients=(),
    objects=(),
    uploads=(),
    spooled=(),
    steps=(),
    repairs=(),
)


def fails() -> None:
    message = "it is not so"
    raise AssertionError(message)


@pytest.mark.parametrize("must_break", [True, False])
def test_a_strike_has_bitten_only_if_each_query_that_was_rewritten_was_answered(
    *, must_break: bool
) -> None:
    fault_action = s.FaultAction(
        "ClickHouse", s.anything, s.always(Instead(ASKED)), times=None, must_break=must_break
    )
    words = [fault_action(Word("ClickHouse", number, ASKED)) for number in (1, 2)]
    assert not fault_action.has_bitten()
    for word in words:
        assert isinstance(word, Instead)
        assert not fault_action.has_bitten()
        word.answered(BROKEN_OFF)
    assert fault_action.has_bitten()


def test_a_strike_that_must_break_answers_has_not_bitten_without_any() -> None:
    assert not s.FaultAction(
        "ClickHouse", s.anything, s.always(Drop()), must_break=True
    ).has_bitten()


def test_what_a_scenario_or_its_deed_raises_is_raised_again_at_the_end() -> None:
    fault_proxy = FaultProxy()
    fault_proxy.play(lambda _word: fails())
    with pytest.raises(AssertionError):
        fault_proxy.listener("S3")(ASKED)
    with pytest.raises(AssertionError, match="not so"):
        fault_proxy.raise_failure()

    fault_proxy.play(s.always(Meanwhile(fails)))
    spoiling = fault_proxy.listener("S3")(ASKED)
    fault_proxy.raise_failure()
    assert isinstance(spoiling, Meanwhile)
    with pytest.raises(AssertionError):
        spoiling.deed()
    with pytest.raises(AssertionError, match="not so"):
        fault_proxy.raise_failure()


def test_a_row_is_completed_when_its_transaction_is_committed() -> None:
    is_committed = s.CompletedIsCommitted()
    said = [
        b"COMMIT",
        b"UPDATE batch_exports SET status='PROCESSING' WHERE status NOT IN ('COMPLETED')",
        b"COMMIT",
        b"UPDATE batch_exports SET updated_at=now(), status='COMPLETED' WHERE id='1'",
        b"COMMIT",
        b"COMMIT",
    ]
    found = [is_committed(Request("", "", body)) for body in said]
    assert found == [False, False, False, False, True, False]


def test_a_server_whose_answer_was_lost_stays_away() -> None:
    fault_action = s.LostAndAway("S3", s.upload_is_completed)
    complete = Request("POST", "/bucket/key?uploadId=1", b"")
    said = [("S3", ASKED), ("S3", complete), ("SMTP", ASKED), ("S3", ASKED)]
    found = [type(fault_action(Word(server, at, asked))) for at, (server, asked) in enumerate(said)]
    assert found == [type(None), Lose, type(None), Drop]
    assert fault_action.has_bitten()


def test_the_same_number_in_another_op_is_passed_by() -> None:
    at_work = iter(["serialize_chunk", "upload_file", "upload_file"])
    when = s.Within("upload_file", lambda: next(at_work), number=7)
    assert [when(Word("S3", number, ASKED)) for number in (6, 7, 8)] == [False, False, True]


def test_a_fault_that_befell_another_op_ends_badly() -> None:
    fault = Fault("row is deleted", "upload_file", lambda _: [], "upload_file", (0,))
    assert problems_of(fault, [replace(NOTHING, struck_in="upload_file")]) == []
    befallen = replace(NOTHING, struck_in="serialize_chunk")
    assert problems_of(fault, [befallen]) == ["it befell serialize_chunk"]
    assert problems_of(fault, [NOTHING]) == ["it befell no op"]


def test_what_is_raised_when_another_scenario_has_begun_is_not_held_against_that_one() -> None:
    fault_proxy = FaultProxy()
    fault_proxy.play(s.always(Meanwhile(fails)))
    spoiling = fault_proxy.listener("S3")(ASKED)
    assert isinstance(spoiling, Meanwhile)
    fault_proxy.play()
    with pytest.raises(AssertionError):
        spoiling.deed()
    fault_proxy.raise_failure()
