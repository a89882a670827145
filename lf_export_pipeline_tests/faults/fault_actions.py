"""Every way in which the answers of the servers are spoiled."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from lf_export_pipeline_tests.faults import scenarios as s
from lf_export_pipeline_tests.integration.adapters.proxy import (
    Cut,
    Drop,
    Lose,
    Refuse,
    Reset,
    Stall,
    Trickle,
)

PATIENCE_SECONDS = 5
SILENT = s.always(Stall(PATIENCE_SECONDS + 3))
SLOW = Trickle(pieces=20, pause_seconds=0.1)
DROPPED, LOST, CUT = s.always(Drop()), s.always(Lose()), s.always(Cut(1000))
SCAN, WRITE, UPLOAD, NOTIFY = "stream_chunks", "serialize_chunk", "upload_file", "notify_requester"

Spoils = s.FaultAction | s.LostAndAway


@dataclass(frozen=True, slots=True)
class Spoiled:
    """A way in which answers are spoiled.

    Attributes:
        name: What happens.
        where: To which words.
        make: The scenario, which has happened to nobody yet.
        op: The op at work then; None: it is not always the same.
        mails: How many e-mails are right.
        is_short: Whether it is part of the short form.
    """

    name: str
    where: str
    make: Callable[[], Spoils]
    op: str | None = None
    mails: tuple[int, ...] = (1,)
    is_short: bool = False


def fault_actions() -> Iterator[Spoiled]:
    """All of them, by server."""
    yield from _of_rows()
    yield from _of_keys()
    yield from _of_s3()
    yield from _of_mail()
    yield from _of_postgres()


def _of_rows() -> Iterator[Spoiled]:
    where, rows = "ClickHouse", partial(s.FaultAction, "ClickHouse", s.rows_are_read)
    breaks = partial(rows, s.with_failure_at_row, must_break=True)
    full = partial(s.with_settings, max_memory_usage=1_000_000)
    yield Spoiled("throwIf in the middle of a response", where, breaks, WRITE, is_short=True)
    yield Spoiled("response is cut off", where, partial(rows, CUT), WRITE)
    yield Spoiled("connection is closed", where, partial(rows, DROPPED), WRITE)
    each_time = partial(rows, DROPPED, times=None)
    yield Spoiled("connection is closed, each time", where, each_time, WRITE)
    yield Spoiled("memory limit (code 241)", where, partial(rows, full), WRITE, is_short=True)
    yield Spoiled("memory limit, each time", where, partial(rows, full, times=None), WRITE)
    yield Spoiled("answers 503", where, partial(rows, s.always(Refuse(503))), WRITE)
    yield Spoiled("is slow", where, partial(rows, s.always(SLOW), times=None), WRITE)
    yield Spoiled("is silent", where, partial(rows, SILENT), WRITE)


def _of_keys() -> Iterator[Spoiled]:
    """The scan decides which rows there are: no later count misses what it lacks."""
    where, keys = "ClickHouse, key scan", partial(s.FaultAction, "ClickHouse", s.keys_are_read)
    breaks = partial(keys, s.with_failure_at_row, must_break=True)
    yield Spoiled("throwIf in the middle of a response", where, breaks, SCAN, is_short=True)
    yield Spoiled("response is cut off", where, partial(keys, CUT), SCAN)
    yield Spoiled("connection is closed", where, partial(keys, DROPPED), SCAN)


def _of_s3() -> Iterator[Spoiled]:
    for matches, where, op in (
        (s.upload_begins, "CreateMultipartUpload", None),
        (s.part_is_sent, "UploadPart", None),
        (s.upload_is_completed, "CompleteMultipartUpload", UPLOAD),
    ):
        s3 = partial(s.FaultAction, "S3", matches)
        for said, answer in (
            ("500", s.s3_error(500, "InternalError")),
            ("503 SlowDown", s.s3_error(503, "SlowDown")),
        ):
            yield Spoiled(said, where, partial(s3, s.always(answer)), op)
            # botocore absorbs the first of them
            each_time = partial(s3, s.always(answer), times=None)
            yield Spoiled(f"{said}, each time", where, each_time, op)
        yield Spoiled("connection is reset", where, partial(s3, s.always(Reset())), op)
        yield Spoiled("is silent", where, partial(s3, SILENT), op)
        lost, is_short = partial(s3, LOST), op is not None
        yield Spoiled("done, and the answer is lost", where, lost, op, is_short=is_short)
        refusal = s.always(s.s3_error(403, "AccessDenied"))
        yield Spoiled("403, each time", where, partial(s3, refusal, times=None), op)
    # The embedded server makes a bucket that is missing.
    missing = s.always(s.s3_error(404, "NoSuchBucket"))
    no_bucket = partial(s.FaultAction, "S3", s.anything, missing, times=None)
    yield Spoiled("no bucket", "S3, all requests", no_bucket)
    error = partial(s3, s.always(s.s3_error(200, "InternalError")))
    yield Spoiled("200 that holds an error", "CompleteMultipartUpload", error, UPLOAD)
    away = partial(s.LostAndAway, "S3", s.upload_is_completed)
    said = "done, the answer is lost, and S3 stays away"
    yield Spoiled(said, "CompleteMultipartUpload", away, UPLOAD)


def _of_mail() -> Iterator[Spoiled]:
    greeting, message = "SMTP, greeting", "SMTP, the message"
    begins = partial(s.FaultAction, "SMTP", s.anything)
    ends = partial(s.FaultAction, "SMTP", s.message_ends)
    later, no = s.always(s.reply(451, "later")), s.always(s.reply(550, "no"))
    deferred = partial(begins, later)
    yield Spoiled("refuses for now (451)", greeting, deferred, NOTIFY, is_short=True)
    # A lost answer counts as sent, whether or not the server has the message.
    yield Spoiled("hangs up", message, partial(ends, DROPPED), NOTIFY, mails=(0,))
    yield Spoiled("is silent", greeting, partial(begins, SILENT), NOTIFY)
    yield Spoiled("is silent", message, partial(ends, SILENT), NOTIFY, mails=(0,))
    lost = "done, and the answer is lost"
    yield Spoiled(lost, message, partial(ends, LOST), NOTIFY)
    refused = partial(ends, no, times=None)
    yield Spoiled("refuses for good (550)", message, refused, NOTIFY, mails=(0,))
    locked = partial(begins, no, times=None)
    yield Spoiled("refuses all of us (550)", greeting, locked, NOTIFY)


def _of_postgres() -> Iterator[Spoiled]:
    where = "Postgres, COMPLETED"
    said = "update is done, and the answer is lost"
    yield Spoiled(said, where, _commit_is_lost, UPLOAD, is_short=True)
    closed = partial(s.FaultAction, "Postgres", s.row_is_completed, DROPPED)
    yield Spoiled("connection is closed", where, closed, UPLOAD)
    said = "update is done, the answer lost, Postgres stays away"
    yield Spoiled(said, where, _commit_is_lost_and_more, UPLOAD)


def _commit_is_lost() -> Spoils:
    return s.FaultAction("Postgres", s.CompletedIsCommitted(), LOST)


def _commit_is_lost_and_more() -> Spoils:
    return s.LostAndAway("Postgres", s.CompletedIsCommitted())
