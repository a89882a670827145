"""The table of faults: what happens, where, and what must have come of it in the end."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from lf_export_pipeline.runs.partitions import PARTITIONS_NAME
from lf_export_pipeline_tests.faults import scenarios as s
from lf_export_pipeline_tests.faults.bench import ADDRESS, TRACES, Bench
from lf_export_pipeline_tests.faults.export_process import CLOCK_JUMPS, instance_of
from lf_export_pipeline_tests.faults.outcome import Outcome, key_of
from lf_export_pipeline_tests.faults.rehearsal import IN_POSTGRES, Said, Wish
from lf_export_pipeline_tests.faults.strikes import PATIENCE_SECONDS, strikes
from lf_export_pipeline_tests.faults.trial import Trial
from lf_export_pipeline_tests.faults.wire import Word
from lf_export_pipeline_tests.integration.resources.proxy import Beforehand, Lose

OPS = (
    "validate_export",
    "resolve_filters",
    "stream_chunks",
    "serialize_chunk",
    "upload_file",
    "notify_requester",
)
SERVERS = ("ClickHouse", "Postgres", "S3", "SMTP")
OTHER_TABLES = (
    Wish("observations", "CSV"),
    Wish("events", "JSON"),
    Wish("scores", "CSV"),
    Wish("sessions", "JSONL"),
    Wish("dataset_items", "JSON"),
    Wish("dataset_run_items", "CSV"),
    Wish("audit_logs", "JSONL"),
)
KILLS_PER_OP = 4
CANCEL = (
    "UPDATE batch_exports SET status = 'CANCELLED', updated_at = now() AT TIME ZONE 'UTC' "
    "WHERE id = %s AND status IN ('QUEUED', 'PROCESSING')"
)
DELETE = "DELETE FROM batch_exports WHERE id = %s"


@dataclass(frozen=True)
class Fault:
    """One row of the table.

    Attributes:
        name: What happens.
        where: When, or to which words.
        play: Makes an export to which it happens, and gives the outcome.
        mails: How many e-mails are right.
        is_short: Whether it is part of the short form.
        is_published: Whether a file may be there although the row is gone.
    """

    name: str
    where: str
    play: Callable[[Bench], list[Outcome]]
    mails: tuple[int, ...] = (1,)
    is_short: bool = False
    is_published: bool = False

    @property
    def id(self) -> str:
        """A name for the test."""
        return f"{self.name}, {self.where}"


def problems_of(fault: Fault, outcomes: Sequence[Outcome]) -> list[str]:
    """What is wrong in the end, and at the stages before."""
    stages = [problem for early in outcomes[:-1] for problem in _unpublished(early)]
    last = outcomes[-1]
    if last.status == "gone":
        is_fine = fault.is_published and last.mails in fault.mails and len(last.objects) <= 1
        return stages + (_litter(last) if is_fine else _unpublished(last))
    return stages + _finished(fault, last)


def _finished(fault: Fault, end: Outcome) -> list[str]:
    row = end.row
    checks = {
        f"the export is {end.status}": end.status == "COMPLETED",
        "the link downloads another file": end.is_right,
        "the manifest tells of another file": end.is_told_by_its_manifest(),
        f"{len(end.objects)} objects": bool(row and row.url and end.objects == (key_of(row.url),)),
        f"{end.mails} e-mails": end.mails in fault.mails,
        "somebody else got an e-mail": set(end.recipients) <= {ADDRESS},
        "the row says something wrong": bool(row and row.log is None and row.expires_at),
    }
    return [said for said, holds in checks.items() if not holds] + _litter(end)


def _unpublished(stage: Outcome) -> list[str]:
    found = [f"{stage.status} with {len(stage.objects)} objects"] if stage.objects else []
    found += [f"{stage.status} with an e-mail"] if stage.mails else []
    return found + _litter(stage)


def _litter(end: Outcome) -> list[str]:
    found = [f"{len(end.uploads)} uploads are left"] if end.uploads else []
    return found + ([f"{len(end.spooled)} files are left in the spool"] if end.spooled else [])


def _killed(op: str, nth: int, *, after: bool, bench: Bench) -> list[Outcome]:
    words = bench.rehearsal().words_of(op)
    number = words[(len(words) - 1) * nth // KILLS_PER_OP].number
    trial = bench.new_export()
    assert trial.run_to_be_killed(number, after=after) == -9
    return [trial.repaired()]


def _killed_at_work(wish: Wish, bench: Bench) -> list[Outcome]:
    words = bench.rehearsal(wish).words_of("serialize_chunk")
    trial = bench.new_export(wish)
    assert trial.run_to_be_killed(words[len(words) // 2].number, after=True) == -9
    return [trial.repaired()]


def _killed_while_writing(files: int, bench: Bench) -> list[Outcome]:
    """The process ends as soon as it has begun so many files in the spool."""
    bench.rehearsal()
    bench.wire.play()
    trial = bench.new_export()
    run = trial.begin()
    while run.is_alive() and trial.spooled() < files:
        time.sleep(0.001)
    trial.kill()
    assert trial.end_of(run) == -9
    return [trial.repaired()]


def _power_cut(server: str, op: str, bench: Bench, wish: Wish = TRACES) -> list[Outcome]:
    """The server is dead when the export asks it for something, and is being started meanwhile."""
    bench.rehearsal(wish)
    trial = bench.new_export(wish)
    at = _at(bench, wish, op, server, lambda: bench.kill_and_restart(server))
    trial.run(at)
    assert at.struck
    return [trial.repaired()]


def _away(server: str, op: str, bench: Bench) -> list[Outcome]:
    """The server is dead when the export asks it for something, until the run has ended."""
    assert bench.rehearsal().words_of(op, server), f"{op} says nothing to {server}"
    trial = bench.new_export()
    at = _at(bench, TRACES, op, server, lambda: bench.kill(server))
    trial.run(at)
    assert at.struck
    return [trial.repaired()]


def _at(bench: Bench, wish: Wish, op: str, server: str, deed: Callable[[], object]) -> s.At:
    """Before the op's middle word to the server, or to another one if it says nothing to this."""
    rehearsal = bench.rehearsal(wish)
    own = rehearsal.words_of(op, server)
    words = own or rehearsal.words_of(op)
    said: Said = words[len(words) // 2]
    asked = said.server if own else None
    return s.At(said.number, lambda _word: Beforehand(deed), asked)


def _spoiled(make: Callable[[], s.Strike], bench: Bench) -> list[Outcome]:
    bench.rehearsal()
    trial, strike = bench.new_export(), make()
    trial.run(strike, patience_seconds=PATIENCE_SECONDS)
    assert strike.struck, "nothing was spoiled"
    assert strike.has_bitten(), "what was spoiled came to the export as it should"
    return [trial.repaired()]


def _disk_is_full(bench: Bench) -> list[Outcome]:
    bench.rehearsal()
    trial = bench.new_export()
    assert trial.run(file_max_bytes=1_500_000) == 1, "the disk was not full"
    return [trial.repaired()]


def _wrong_clock(ahead: timedelta, bench: Bench) -> list[Outcome]:
    bench.rehearsal()
    trial = bench.new_export()
    trial.run(clock_ahead=ahead)
    assert _errors(trial, ahead) == {True}, "the clock was right"
    return [trial.repaired()]


def _clock_jumps(ahead: timedelta, op: str, bench: Bench) -> list[Outcome]:
    words = bench.rehearsal().words_of(op)
    trial = bench.new_export()

    def jump(_word: Word) -> None:
        trial.signal(CLOCK_JUMPS)

    trial.run(s.At(words[len(words) // 2].number, jump), clock_ahead=ahead, clock_jumps=True)
    assert _errors(trial, ahead) == {False, True}, "the clock did not jump"
    return [trial.repaired()]


def _errors(trial: Trial, ahead: timedelta) -> set[bool]:
    """Whether the clock was wrong by that much, as far as the run's own events tell."""
    now, wrong = time.time(), ahead.total_seconds()
    return {abs(instant - now) > abs(wrong) / 2 for instant in trial.instants()}


def _s3_is_full(bench: Bench) -> list[Outcome]:
    bench.rehearsal()
    trial = bench.new_export()
    with bench.full_disk("S3"):
        assert trial.run() == 1, "the disk was not full"
    return [trial.repaired()]


def _changed(op: str, sql: str, bench: Bench) -> list[Outcome]:
    words = bench.rehearsal().words_of(op)
    trial = bench.new_export()
    change = partial(bench.change_row, trial.export_id, sql)
    at = s.At(words[len(words) // 2].number, lambda _word: change())
    trial.run(at)
    assert at.struck
    first = trial.repaired()
    if first.status != "CANCELLED":
        return [first]
    bench.rows.requeue(trial.export_id)
    return [first, trial.repaired()]


def _twice(delay: float, bench: Bench, *, is_killed: bool = False) -> list[Outcome]:
    bench.rehearsal()
    trial = bench.new_export()
    bench.wire.play()
    with instance_of(trial.circumstances.folder) as records:
        records.get_dynamic_partitions(PARTITIONS_NAME)  # makes the databases, which two may not
    first = trial.begin()
    time.sleep(delay)
    second = trial.begin()
    if is_killed:
        while first.is_alive() and trial.outcome().status != "COMPLETED":
            time.sleep(0.01)
        second.kill()
    for run in (first, second):
        trial.end_of(run)
    return [trial.repaired()]


def all_faults() -> list[Fault]:
    """Every row of the table."""
    return [*_kills(), *_power_cuts(), *_outages(), *_spoilings(), *_of_other_tables(), *_others()]


def _kills() -> Iterator[Fault]:
    for op in OPS:
        for nth in range(KILLS_PER_OP):
            after = nth % 2 == 1
            where = f"{op}, {nth + 1} of {KILLS_PER_OP}, server {'heard' if after else 'did not'}"
            play = partial(_play, partial(_killed, op, nth, after=after))
            mails = (1, 2) if op == "notify_requester" and after else (1,)
            is_short = (op, nth) in (("serialize_chunk", 2), ("upload_file", 2))
            yield Fault("SIGKILL of the run", where, play, mails, is_short)
    for files in (1, 4, 8):
        play = partial(_play, partial(_killed_while_writing, files))
        yield Fault("SIGKILL of the run", f"it has begun {files} files in the spool", play)


def _play(play: Callable[..., list[Outcome]], bench: Bench) -> list[Outcome]:
    return play(bench=bench)


def _power_cuts() -> Iterator[Fault]:
    for server in SERVERS:
        for op in OPS:
            play = partial(_power_cut, server, op)
            mails = (1, 2) if (server, op) == ("SMTP", "notify_requester") else (1,)
            yield Fault(f"{server} is killed and restarted", op, play, mails)


def _outages() -> Iterator[Fault]:
    for server, op in (
        ("ClickHouse", "stream_chunks"),
        ("ClickHouse", "serialize_chunk"),
        ("Postgres", "validate_export"),
        ("Postgres", "serialize_chunk"),
        ("Postgres", "upload_file"),
        ("S3", "upload_file"),
        ("SMTP", "notify_requester"),
    ):
        where = f"{op}, until the run has ended"
        is_short = server == "SMTP"
        yield Fault(f"{server} is killed", where, partial(_away, server, op), is_short=is_short)


def _of_other_tables() -> Iterator[Fault]:
    for wish in OTHER_TABLES:
        where = f"serialize_chunk, {wish}"
        play = partial(_play, partial(_killed_at_work, wish))
        yield Fault("SIGKILL of the run", where, play, is_short=wish.table == "scores")
        store = "Postgres" if wish.table in IN_POSTGRES else "ClickHouse"
        cut = partial(_power_cut, store, "serialize_chunk", wish=wish)
        yield Fault(f"{store} is killed and restarted", where, cut)


def _spoilings() -> Iterator[Fault]:
    for name, where, make, is_short in strikes():
        yield Fault(name, where, partial(_spoiled, make), is_short=is_short)
    lost = partial(s.Strike, "SMTP", s.message_ends, s.always(Lose()))
    said = "SMTP, the message"
    yield Fault("done, and the answer is lost", said, partial(_spoiled, lost), (1, 2))
    no = s.always(s.reply(550, "no"))
    refused = partial(s.Strike, "SMTP", s.message_ends, no, times=None)
    yield Fault("refuses for good (550)", said, partial(_spoiled, refused), (0,))
    locked = partial(s.Strike, "SMTP", s.anything, no, times=None)
    yield Fault("refuses all of us (550)", "SMTP, greeting", partial(_spoiled, locked))


def _others() -> Iterator[Fault]:
    yield Fault("disk full", "spool", _disk_is_full)
    yield Fault("disk full", "S3", _s3_is_full)
    for clock, said in ((timedelta(days=31), "31 days ahead"), (timedelta(hours=-30), "30 h back")):
        yield Fault(f"clock is {said}", "one run", partial(_wrong_clock, clock))
    for clock, said in ((timedelta(hours=2), "2 h ahead"), (timedelta(hours=-2), "2 h back")):
        for op in ("serialize_chunk", "upload_file"):
            yield Fault(f"clock jumps {said}", op, partial(_clock_jumps, clock, op))
    yield Fault("two runs at once", "same instant", partial(_twice, 0.0), is_short=True)
    yield Fault("two runs at once", "one second apart", partial(_twice, 1.0))
    yield Fault("two runs at once", "two seconds apart", partial(_twice, 2.0))
    killed = partial(_twice, 1.0, is_killed=True)
    yield Fault("two runs at once", "one is killed when the other has finished", killed)
    for op in OPS:
        short = op == "serialize_chunk"
        yield Fault("row is cancelled", op, partial(_changed, op, CANCEL), is_short=short)
    for op in OPS:
        is_out = op == OPS[-1]  # the file is published by then, and the e-mail may be on its way
        play = partial(_changed, op, DELETE)
        yield Fault("row is deleted", op, play, (0, 1) if is_out else (0,), is_published=is_out)
