"""The table of faults: what happens, where, and what must have come of it in the end."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

from lf_export_pipeline.core.request.options import Compression
from lf_export_pipeline_tests.faults import scenarios as s
from lf_export_pipeline_tests.faults.bench import TRACES, Bench
from lf_export_pipeline_tests.faults.export_process import CLOCK_JUMPS
from lf_export_pipeline_tests.faults.fault import Fault
from lf_export_pipeline_tests.faults.kills import OPS, kill_at_work, kills
from lf_export_pipeline_tests.faults.outcome import Outcome
from lf_export_pipeline_tests.faults.pairs import pairs
from lf_export_pipeline_tests.faults.rehearsal import IN_POSTGRES, Wish
from lf_export_pipeline_tests.faults.strikes import PATIENCE_SECONDS, Spoils, strikes
from lf_export_pipeline_tests.faults.trial import Trial
from lf_export_pipeline_tests.integration.adapters.proxy import Beforehand

SERVERS = ("ClickHouse", "Postgres", "S3", "SMTP")
OTHER_TABLES = (
    Wish("observations", "CSV"),
    Wish("events", "JSON"),
    Wish("scores", "CSV"),
    Wish("sessions", "JSONL"),
    Wish("dataset_items", "JSON"),
    Wish("dataset_run_items", "CSV"),
    Wish("audit_logs", "JSONL"),
    Wish("observations", "PARQUET"),
    Wish("events", "JSONL", Compression.ZSTD),
)
CANCEL = (
    "UPDATE batch_exports SET status = 'CANCELLED', updated_at = now() AT TIME ZONE 'UTC' "
    "WHERE id = %s AND status IN ('QUEUED', 'PROCESSING')"
)
DELETE = "DELETE FROM batch_exports WHERE id = %s"


def _power_cut(server: str, op: str, bench: Bench, wish: Wish = TRACES) -> list[Outcome]:
    """The server is dead when the export asks it for something, and is being started meanwhile."""
    trial = _befallen(op, lambda _: bench.kill_and_restart(server), bench, wish, server)
    return [trial.repaired()]


def _away(server: str, op: str, bench: Bench) -> list[Outcome]:
    """The server is dead when the export asks it for something, until the run has ended."""
    assert bench.rehearsal().words_of(op, server), f"{op} says nothing to {server}"
    return [_befallen(op, lambda _: bench.kill(server), bench, server=server).repaired()]


def _befallen(
    op: str,
    deed: Callable[[Trial], object],
    bench: Bench,
    wish: Wish = TRACES,
    server: str | None = None,
    **circumstances: Any,
) -> Trial:
    """An export to which something is done before the op's middle word to the server.

    Before a word to another server if the op says nothing to this one.
    """
    rehearsal = bench.rehearsal(wish)
    own = rehearsal.words_of(op, server)
    words = own or rehearsal.words_of(op)
    trial = bench.new_export(wish)
    number, asked = words[len(words) // 2].number, server if own else None
    when = s.Within(op, trial.op_at_work, number, asked)
    scenario = s.Once(when, s.always(Beforehand(lambda: deed(trial))))
    trial.run(scenario, **circumstances)
    assert scenario.struck, f"{op} did not come so far"
    return trial


def _spoiled(make: Callable[[], Spoils], bench: Bench) -> list[Outcome]:
    bench.rehearsal()
    trial, strike = bench.new_export(), make()
    trial.run(strike, patience_seconds=PATIENCE_SECONDS)
    assert strike.struck, "nothing was spoiled"
    said = f"what was spoiled came to the export as it should: {strike}"
    assert strike.has_bitten(), said
    return [trial.repaired()]


def _disk_is_full(bench: Bench) -> list[Outcome]:
    bench.rehearsal()
    trial = bench.new_export()
    assert trial.run(file_max_bytes=1_500_000) == 1, "the disk was not full"
    assert "The spool failed (File too large)" in trial.said(), "it failed for another reason"
    return [trial.repaired()]


def _wrong_clock(ahead: timedelta, bench: Bench) -> list[Outcome]:
    bench.rehearsal()
    trial = bench.new_export()
    trial.run(clock_ahead=ahead)
    assert _errors(trial, ahead) == {True}, "the clock was right"
    return [trial.repaired()]


def _clock_jumps(ahead: timedelta, op: str, bench: Bench) -> list[Outcome]:
    def jump(trial: Trial) -> None:
        trial.signal(CLOCK_JUMPS)

    trial = _befallen(op, jump, bench, clock_ahead=ahead, clock_jumps=True)
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
    changed: list[int] = []

    def change(trial: Trial) -> None:
        changed.append(bench.change_row(trial.export_id, sql))

    trial = _befallen(op, change, bench)
    is_too_late = sql == CANCEL and op == OPS[-1]  # Langfuse cancels nothing that is COMPLETED
    assert changed == [0 if is_too_late else 1], "the row was not what it should be"
    first = trial.repaired()
    if first.status != "CANCELLED":
        return [first]
    bench.rows.requeue(trial.export_id)
    return [first, trial.repaired()]


def all_faults() -> list[Fault]:
    """Every row of the table."""
    return [*kills(), *_power_cuts(), *_outages(), *_spoilings(), *_of_other_tables(), *_others()]


def _power_cuts() -> Iterator[Fault]:
    for server in SERVERS:
        for op in OPS:
            play = partial(_power_cut, server, op)
            short = (server, op) == ("Postgres", "serialize_chunk")
            yield Fault(f"{server} is killed and restarted", op, play, op, is_short=short)


def _outages() -> Iterator[Fault]:
    for server, op in (
        ("ClickHouse", "stream_chunks"),
        ("ClickHouse", "serialize_chunk"),
        ("Postgres", "validate_export"),
        ("Postgres", "serialize_chunk"),
        ("Postgres", "upload_file"),
        ("S3", "serialize_chunk"),
        ("S3", "upload_file"),
        ("SMTP", "notify_requester"),
    ):
        where = f"{op}, until the run has ended"
        is_short = server == "SMTP"
        yield Fault(f"{server} is killed", where, partial(_away, server, op), op, is_short=is_short)


def _of_other_tables() -> Iterator[Fault]:
    for wish in OTHER_TABLES:
        yield kill_at_work(wish, is_short=wish.table == "scores")
        store = "Postgres" if wish.table in IN_POSTGRES else "ClickHouse"
        cut = partial(_power_cut, store, "serialize_chunk", wish=wish)
        where = f"serialize_chunk, {wish}"
        yield Fault(f"{store} is killed and restarted", where, cut, "serialize_chunk")


def _spoilings() -> Iterator[Fault]:
    for one in strikes():
        play = partial(_spoiled, one.make)
        yield Fault(one.name, one.where, play, one.op, one.mails, one.is_short)


def _others() -> Iterator[Fault]:
    yield Fault("disk full", "spool", _disk_is_full, "serialize_chunk")
    yield Fault("disk full", "S3", _s3_is_full, "serialize_chunk")
    for clock, said in ((timedelta(days=31), "31 days ahead"), (timedelta(hours=-30), "30 h back")):
        yield Fault(f"clock is {said}", "one run", partial(_wrong_clock, clock))
    for clock, said in ((timedelta(hours=2), "2 h ahead"), (timedelta(hours=-2), "2 h back")):
        for op in ("serialize_chunk", "upload_file"):
            yield Fault(f"clock jumps {said}", op, partial(_clock_jumps, clock, op), op)
    yield from pairs()
    for op in OPS:
        short = op == "serialize_chunk"
        yield Fault("row is cancelled", op, partial(_changed, op, CANCEL), op, is_short=short)
    for op in OPS:
        is_out = op == OPS[-1]  # the file is published by then, and the e-mail may be on its way
        play = partial(_changed, op, DELETE)
        mails, short = (0, 1) if is_out else (0,), op == "serialize_chunk"
        yield Fault("row is deleted", op, play, op, mails, is_short=short, is_published=is_out)
