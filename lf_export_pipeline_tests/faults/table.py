"""The table of faults: what happens, where, and what must have come of it in the end."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

from lf_export_pipeline.core.request.options import Compression
from lf_export_pipeline_tests.faults import scenarios as s
from lf_export_pipeline_tests.faults.baseline import IN_POSTGRES, ExportSpec
from lf_export_pipeline_tests.faults.bench import TRACES, Bench
from lf_export_pipeline_tests.faults.export_process import CLOCK_JUMPS
from lf_export_pipeline_tests.faults.fault import Fault
from lf_export_pipeline_tests.faults.fault_actions import PATIENCE_SECONDS, Spoils, fault_actions
from lf_export_pipeline_tests.faults.fault_run import FaultRun
from lf_export_pipeline_tests.faults.kills import OPS, kill_at_work, kills
from lf_export_pipeline_tests.faults.outcome import Outcome
from lf_export_pipeline_tests.faults.pairs import pairs
from lf_export_pipeline_tests.integration.adapters.proxy import Beforehand

SERVERS = ("ClickHouse", "Postgres", "S3", "SMTP")
OTHER_TABLES = (
    ExportSpec("observations", "CSV"),
    ExportSpec("events", "JSON"),
    ExportSpec("scores", "CSV"),
    ExportSpec("sessions", "JSONL"),
    ExportSpec("dataset_items", "JSON"),
    ExportSpec("dataset_run_items", "CSV"),
    ExportSpec("audit_logs", "JSONL"),
    ExportSpec("observations", "PARQUET"),
    ExportSpec("events", "JSONL", Compression.ZSTD),
)
CANCEL = (
    "UPDATE batch_exports SET status = 'CANCELLED', updated_at = now() AT TIME ZONE 'UTC' "
    "WHERE id = %s AND status IN ('QUEUED', 'PROCESSING')"
)
DELETE = "DELETE FROM batch_exports WHERE id = %s"


def _power_cut(server: str, op: str, bench: Bench, spec: ExportSpec = TRACES) -> list[Outcome]:
    """The server is dead when the export asks it for something, and is being started meanwhile."""
    fault_run = _befallen(op, lambda _: bench.kill_and_restart(server), bench, spec, server)
    return [fault_run.repaired()]


def _away(server: str, op: str, bench: Bench) -> list[Outcome]:
    """The server is dead when the export asks it for something, until the run has ended."""
    assert bench.baseline().words_of(op, server), f"{op} says nothing to {server}"
    return [_befallen(op, lambda _: bench.kill(server), bench, server=server).repaired()]


def _befallen(
    op: str,
    deed: Callable[[FaultRun], object],
    bench: Bench,
    spec: ExportSpec = TRACES,
    server: str | None = None,
    **circumstances: Any,
) -> FaultRun:
    """An export to which something is done before the op's middle word to the server.

    Before a word to another server if the op says nothing to this one.
    """
    baseline = bench.baseline(spec)
    own = baseline.words_of(op, server)
    words = own or baseline.words_of(op)
    fault_run = bench.new_export(spec)
    number, asked = words[len(words) // 2].number, server if own else None
    when = s.Within(op, fault_run.op_at_work, number, asked)
    scenario = s.Once(when, s.always(Beforehand(lambda: deed(fault_run))))
    fault_run.run(scenario, **circumstances)
    assert scenario.struck, f"{op} did not come so far"
    return fault_run


def _spoiled(make: Callable[[], Spoils], bench: Bench) -> list[Outcome]:
    bench.baseline()
    fault_run, fault_action = bench.new_export(), make()
    fault_run.run(fault_action, patience_seconds=PATIENCE_SECONDS)
    assert fault_action.struck, "nothing was spoiled"
    said = f"what was spoiled came to the export as it should: {fault_action}"
    assert fault_action.has_bitten(), said
    return [fault_run.repaired()]


def _disk_is_full(bench: Bench) -> list[Outcome]:
    bench.baseline()
    fault_run = bench.new_export()
    assert fault_run.run(file_max_bytes=1_500_000) == 1, "the disk was not full"
    assert "The spool failed (File too large)" in fault_run.said(), "it failed for another reason"
    return [fault_run.repaired()]


def _wrong_clock(ahead: timedelta, bench: Bench) -> list[Outcome]:
    bench.baseline()
    fault_run = bench.new_export()
    fault_run.run(clock_ahead=ahead)
    assert _errors(fault_run, ahead) == {True}, "the clock was right"
    return [fault_run.repaired()]


def _clock_jumps(ahead: timedelta, op: str, bench: Bench) -> list[Outcome]:
    def jump(fault_run: FaultRun) -> None:
        fault_run.signal(CLOCK_JUMPS)

    fault_run = _befallen(op, jump, bench, clock_ahead=ahead, clock_jumps=True)
    assert _errors(fault_run, ahead) == {False, True}, "the clock did not jump"
    return [fault_run.repaired()]


def _errors(fault_run: FaultRun, ahead: timedelta) -> set[bool]:
    """Whether the clock was wrong by that much, as far as the run's own events tell."""
    now, wrong = time.time(), ahead.total_seconds()
    return {abs(instant - now) > abs(wrong) / 2 for instant in fault_run.instants()}


def _s3_is_full(bench: Bench) -> list[Outcome]:
    bench.baseline()
    fault_run = bench.new_export()
    with bench.full_disk("S3"):
        assert fault_run.run() == 1, "the disk was not full"
    return [fault_run.repaired()]


def _changed(op: str, sql: str, bench: Bench) -> list[Outcome]:
    changed: list[int] = []

    def change(fault_run: FaultRun) -> None:
        changed.append(bench.change_row(fault_run.export_id, sql))

    fault_run = _befallen(op, change, bench)
    is_too_late = sql == CANCEL and op == OPS[-1]  # Langfuse cancels nothing that is COMPLETED
    assert changed == [0 if is_too_late else 1], "the row was not what it should be"
    first = fault_run.repaired()
    if first.status != "CANCELLED":
        return [first]
    bench.rows.requeue(fault_run.export_id)
    return [first, fault_run.repaired()]


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
    for spec in OTHER_TABLES:
        yield kill_at_work(spec, is_short=spec.table == "scores")
        store = "Postgres" if spec.table in IN_POSTGRES else "ClickHouse"
        cut = partial(_power_cut, store, "serialize_chunk", spec=spec)
        where = f"serialize_chunk, {spec}"
        yield Fault(f"{store} is killed and restarted", where, cut, "serialize_chunk")


def _spoilings() -> Iterator[Fault]:
    for one in fault_actions():
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
