"""Every way in which the answers of the servers are spoiled."""

from collections.abc import Callable, Iterator
from functools import partial

from lf_export_pipeline_tests.faults import scenarios as s
from lf_export_pipeline_tests.integration.resources.proxy import (
    Cut,
    Drop,
    Lose,
    Refuse,
    Reset,
    Stall,
    Trickle,
)

PATIENCE_SECONDS = 2
SILENT = Stall(PATIENCE_SECONDS + 3)
SLOW = Trickle(pieces=20, pause_seconds=0.1)


def strikes() -> Iterator[tuple[str, str, Callable[[], s.Strike], bool]]:
    """Fault, place, strike, and whether it is part of the short form."""
    clickhouse = partial(s.Strike, "ClickHouse", s.rows_are_read)
    yield (
        "throwIf in the middle of a response",
        "ClickHouse",
        partial(clickhouse, s.with_failure_at_row, must_break=True),
        True,
    )
    yield "response is cut off", "ClickHouse", partial(clickhouse, s.always(Cut(1000))), False
    yield "connection is closed", "ClickHouse", partial(clickhouse, s.always(Drop())), False
    yield (
        "connection is closed, each time",
        "ClickHouse",
        partial(clickhouse, s.always(Drop()), times=None),
        False,
    )
    yield (
        "memory limit (code 241)",
        "ClickHouse",
        partial(clickhouse, partial(s.with_settings, max_memory_usage=1_000_000)),
        False,
    )
    yield (
        "memory limit, each time",
        "ClickHouse",
        partial(clickhouse, partial(s.with_settings, max_memory_usage=1_000_000), times=None),
        False,
    )
    yield "answers 503", "ClickHouse", partial(clickhouse, s.always(Refuse(503))), False
    yield (
        "is slow",
        "ClickHouse",
        partial(clickhouse, s.always(SLOW), times=None),
        False,
    )
    yield "is silent", "ClickHouse", partial(clickhouse, s.always(SILENT)), False
    for matches, where in (
        (s.upload_begins, "CreateMultipartUpload"),
        (s.part_is_sent, "UploadPart"),
        (s.upload_is_completed, "CompleteMultipartUpload"),
    ):
        s3 = partial(s.Strike, "S3", matches)
        yield "500", where, partial(s3, s.always(s.s3_error(500, "InternalError"))), False
        yield "503 SlowDown", where, partial(s3, s.always(s.s3_error(503, "SlowDown"))), False
        yield "connection is reset", where, partial(s3, s.always(Reset())), False
        yield "is silent", where, partial(s3, s.always(SILENT)), False
        is_short = matches is s.upload_is_completed
        yield "done, and the answer is lost", where, partial(s3, s.always(Lose())), is_short
        refusal = s.always(s.s3_error(403, "AccessDenied"))
        yield "403, each time", where, partial(s3, refusal, times=None), False
    # The embedded server makes a bucket that is missing.
    s3 = partial(s.Strike, "S3", s.anything, times=None)
    missing = partial(s3, s.always(s.s3_error(404, "NoSuchBucket")))
    yield "no bucket", "S3, all requests", missing, False
    yield (
        "200 that holds an error",
        "CompleteMultipartUpload",
        partial(s.Strike, "S3", s.upload_is_completed, s.always(s.s3_error(200, "InternalError"))),
        False,
    )
    mail = partial(s.Strike, "SMTP")
    yield (
        "refuses for now (451)",
        "SMTP, greeting",
        partial(mail, s.anything, s.always(s.reply(451, "later"))),
        False,
    )
    yield "hangs up", "SMTP, the message", partial(mail, s.message_ends, s.always(Drop())), False
    yield "is silent", "SMTP, greeting", partial(mail, s.anything, s.always(SILENT)), False
    postgres = partial(s.Strike, "Postgres", s.row_is_completed)
    yield (
        "update is done, and the answer is lost",
        "Postgres, COMPLETED",
        partial(postgres, s.always(Lose())),
        True,
    )
    yield "connection is closed", "Postgres, COMPLETED", partial(postgres, s.always(Drop())), False
