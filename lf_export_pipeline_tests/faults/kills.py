"""The process of the run is killed, at every stage of its work."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from lf_export_pipeline_tests.faults import scenarios as s
from lf_export_pipeline_tests.faults.baseline import ExportSpec
from lf_export_pipeline_tests.faults.bench import NOTHING, TRACES, Bench
from lf_export_pipeline_tests.faults.export_process import Moment
from lf_export_pipeline_tests.faults.fault import Fault
from lf_export_pipeline_tests.faults.fault_proxy import Word
from lf_export_pipeline_tests.faults.outcome import Outcome

NAME = "SIGKILL of the run"
OPS = (
    "validate_export",
    "resolve_filters",
    "stream_chunks",
    "serialize_chunk",
    "upload_file",
    "notify_requester",
)
KILLS_PER_OP = 4
IN_SPOOL = {"LF_EXPORT_PARTS": "spool"}


def kills() -> Iterator[Fault]:
    """At words to the servers, and at moments when none is spoken to."""
    for op in OPS:
        for nth in range(KILLS_PER_OP):
            where = f"{op}, {nth + 1} of {KILLS_PER_OP}, server {_heard(nth % 2 == 1)}"
            yield Fault(NAME, where, partial(_killed, op, nth), op, is_short=nth == 2)
    for last in _last_words():
        where = f"{last.op}, {last.said}, server {_heard(last.after)}"
        play = partial(_killed_at_last, last)
        yield Fault(NAME, where, play, last.op, last.mails, last.is_short)
    yield Fault(NAME, "serialize_chunk, a part is being written", _killed_writing, OPS[3])
    for op, when, moment, mails in _moments():
        yield Fault(NAME, f"{op}, {when}", partial(_killed_at_moment, moment), op, mails)
    for when, moment in _moments_of_spool():
        play = partial(_killed_at_moment, moment, environment=IN_SPOOL)
        yield Fault(NAME, f"serialize_chunk, parts in the spool, {when}", play, OPS[3])


def kill_at_work(spec: ExportSpec, *, is_short: bool) -> Fault:
    """In the middle of the reading of another table."""
    play = partial(_killed, OPS[3], 2, spec=spec, after=True)
    return Fault(NAME, f"{OPS[3]}, {spec}", play, OPS[3], is_short=is_short)


def _heard(has: bool) -> str:
    return "heard" if has else "did not"


@dataclass(frozen=True, slots=True)
class _LastWord:
    """A word with which the work of an op, or of a part of it, is done."""

    op: str
    said: str
    server: str
    matches: s.Matches
    after: bool
    mails: tuple[int, ...] = (1,)
    is_short: bool = False


def _last_words() -> Iterator[_LastWord]:
    write, upload, notify = OPS[3:]
    for after in (False, True):
        begin, complete = "CreateMultipartUpload", "CompleteMultipartUpload"
        yield _LastWord(write, begin, "S3", s.upload_begins, after)
        yield _LastWord(write, "first part", "S3", s.first_part_is_sent, after)
        yield _LastWord(write, "second part", "S3", s.second_part_is_sent, after)
        yield _LastWord(upload, "last part", "S3", s.part_is_sent, after)
        yield _LastWord(upload, complete, "S3", s.upload_is_completed, after)
    yield _LastWord(upload, "COMPLETED", "Postgres", s.row_is_completed, after=False)
    committed = s.CompletedIsCommitted()
    yield _LastWord(upload, "COMPLETED", "Postgres", committed, after=True, is_short=True)
    yield _LastWord(notify, "the message", "SMTP", s.message_ends, after=False)
    yield _LastWord(notify, "the message", "SMTP", s.message_ends, after=True, mails=(1, 2))


def _moments() -> Iterator[tuple[str, str, Moment, tuple[int, ...]]]:
    """Op, moment, and how many e-mails are right; the process dies before it does what is said."""
    for op in OPS[:-1]:
        result = Moment("os.rename", rf"/values/.+/{op}[^/]*\.json$")
        yield op, "its result is not kept yet", result, (1,)
    scan, write, upload, notify = OPS[2:]
    yield scan, "some keys are kept", Moment("os.rename", r"/keys-00002$"), (1,)
    note = r"/upload\.json$"
    yield write, "no upload is noted yet", Moment("os.rename", note), (1,)
    yield write, "its upload has begun and is not noted yet", Moment("os.rename", note, 2), (1,)
    yield write, "what fills no part is not kept yet", Moment("os.rename", r"/rest-1$"), (1,)
    sent = Moment("os.rename", r"/sent-00001\.json$")
    yield write, "a chunk is sent and not noted yet", sent, (1,)
    end, proven = (Moment("os.rename", rf"/{name}\.json$") for name in ("sent-end", "stored"))
    yield upload, "the upload is not taken over yet", Moment("os.rename", note, 3), (1,)
    yield upload, "the end is sent and not noted yet", end, (1,)
    yield upload, "the object is proven and not noted yet", proven, (1,)
    yield notify, "the e-mail has no mark yet", Moment("os.rename", r"/notified\.json$"), (1, 2)
    yield notify, "the spool is half empty", Moment("os.rmdir", r"^[^/]+$"), (1,)
    yield notify, "the spool is empty", Moment("os.rmdir", r"/[0-9a-f-]{36}$"), (1,)


def _moments_of_spool() -> Iterator[tuple[str, Moment]]:
    yield "one has no name yet", Moment("os.rename", r"/part-00001$")
    yield "one has no checksum yet", Moment("os.rename", r"/part-00001\.json$")


def _killed(
    op: str, nth: int, bench: Bench, *, spec: ExportSpec = TRACES, after: bool | None = None
) -> list[Outcome]:
    words = bench.baseline(spec).words_of(op)
    number = words[(len(words) - 1) * nth // KILLS_PER_OP].number
    fault_run = bench.new_export(spec)
    is_after = nth % 2 == 1 if after is None else after
    assert (
        fault_run.run_to_be_killed(s.Within(op, fault_run.op_at_work, number), after=is_after) == -9
    )
    fault_run.may_repeat = fault_run.is_told_without_mark()
    return [fault_run.repaired()]


def _killed_at_last(last: _LastWord, bench: Bench) -> list[Outcome]:
    bench.baseline()
    fault_run = bench.new_export()

    def is_said(word: Word) -> bool:
        is_it = word.server == last.server and last.matches(word.request)
        return is_it and fault_run.op_at_work() == last.op

    assert fault_run.run_to_be_killed(is_said, after=last.after) == -9
    row = bench.rows.get(fault_run.export_id)
    is_done = last.op == OPS[-1] or (last.said == "COMPLETED" and last.after)
    assert row
    assert row.status == ("COMPLETED" if is_done else "PROCESSING")
    return [fault_run.repaired()]


def _killed_writing(bench: Bench) -> list[Outcome]:
    """All rows are one chunk, of which the bucket has the first part."""
    bench.baseline()
    fault_run = bench.new_export(environment={"LF_EXPORT_CHUNK_TARGET_MIB": "64"})
    assert fault_run.run_to_be_killed(s.said_to("S3", s.part_is_sent), after=True) == -9
    assert fault_run.op_at_work() == OPS[3]
    return [fault_run.repaired()]


def _killed_at_moment(
    moment: Moment, bench: Bench, environment: Mapping[str, str] = NOTHING
) -> list[Outcome]:
    bench.baseline()
    fault_run = bench.new_export(environment=environment)
    assert fault_run.run(dies_at=moment) == -9
    fault_run.struck_in = fault_run.op_at_work()
    return [fault_run.repaired()]
