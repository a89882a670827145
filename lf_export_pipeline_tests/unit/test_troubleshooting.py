"""docs/troubleshooting.md has a row for each answer, with the sentence as the code has it."""

import re
import smtplib
import ssl

import pytest

from lf_export_pipeline.adapters.clickhouse.clickhouse_errors import from_code
from lf_export_pipeline.adapters.postgres.postgres_answers import sign_in_error
from lf_export_pipeline.adapters.s3.s3_client import from_client
from lf_export_pipeline.adapters.smtp.mailer import from_client as from_mail_server
from lf_export_pipeline.core.errors import ConfigurationError, ExportError, TransientError
from lf_export_pipeline_tests.unit.adapters.clickhouse.test_clickhouse_errors import CODES
from lf_export_pipeline_tests.unit.adapters.test_postgres_answers import PASSING, PERMANENT
from lf_export_pipeline_tests.unit.adapters.test_s3_answers import ANSWERS, answered
from lf_export_pipeline_tests.unit.test_documents import text_of


def rows_of(title: str) -> list[tuple[str, ...]]:
    """The cells of each row below a title."""
    section = text_of("docs/troubleshooting.md").partition(f"## {title}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")][1:]
    return [tuple(cell.strip() for cell in line.strip("| ").split(" | ")) for line in lines]


def errors() -> list[tuple[str, ExportError]]:
    return [
        *(("Postgres", sign_in_error(answer)) for answer, _ in (*PERMANENT, *PASSING)),
        *(("ClickHouse", from_code(code)) for code, _, _ in CODES),
        *(("S3", from_client(answered(*answer[:3]))) for answer in ANSWERS),
    ]


@pytest.mark.parametrize(("server", "error"), errors(), ids=lambda value: str(value)[:40])
def test_each_sentence_has_its_row(server: str, error: ExportError) -> None:
    said = str(error)
    meant = [
        row
        for row in rows_of(server)
        if any(said.startswith(each) for each in beginnings(row[1])) and is_advice(row[2], said)
    ]
    assert meant, said
    is_tried_again = isinstance(error, TransientError)
    assert {row[3] for row in meant} == {"yes" if is_tried_again else "no"}


def beginnings(cell: str) -> list[str]:
    """How a sentence begins: all of the cell, up to what stands for something else."""
    return [cell.partition(" …")[0].partition(" unknown,")[0]]


def is_advice(cell: str, said: str) -> bool:
    """Whether the advice is that of the sentence, word by word, or says that there is none."""
    settings = re.findall(r"\b(?:LANGFUSE|LF_EXPORT|CLICKHOUSE|DATABASE|SMTP)_\w+", cell)
    return cell in said or all(name in said for name in settings)


NOT_LATER = {True: "no", False: "later"}
MAIL_ANSWERS = [
    ("535", smtplib.SMTPAuthenticationError(535, b"no")),
    ("454", smtplib.SMTPAuthenticationError(454, b"wait")),
    ("500 to 599 for the sender", smtplib.SMTPSenderRefused(550, b"no", "us@example.com")),
    ("530", smtplib.SMTPSenderRefused(530, b"no", "us@example.com")),
    ("500 to 599 for this machine's name", smtplib.SMTPHeloError(504, b"no")),
    ("500 to 599 for the connection", smtplib.SMTPConnectError(554, b"no")),
    ("500 to 599 for STARTTLS", smtplib.SMTPResponseException(502, "no")),
    ("500 to 599 for recipient", smtplib.SMTPRecipientsRefused({"you@example.com": (550, b"no")})),
    ("500 to 599 for recipient", smtplib.SMTPDataError(554, b"no")),
    ("400 to 499", smtplib.SMTPRecipientsRefused({"you@example.com": (450, b"wait")})),
    ("400 to 499", smtplib.SMTPDataError(452, b"wait")),
    ("no SMTPUTF8", smtplib.SMTPNotSupportedError()),
    ("a certificate", ssl.SSLCertVerificationError(1, "certificate verify failed")),
    ("no answer to the connection", ConnectionRefusedError(111, "Connection refused")),
    ("no answer to the connection", smtplib.SMTPServerDisconnected("closed")),
]


@pytest.mark.parametrize(("answer", "error"), MAIL_ANSWERS)
def test_each_reply_of_the_mail_server_has_its_row(answer: str, error: Exception) -> None:
    (row,) = [row for row in rows_of("The mail server") if row[0].startswith(answer)]
    ours = from_mail_server(error)

    assert str(ours).startswith(beginnings(row[1])[0])
    assert is_advice(row[2], str(ours))
    is_owed = isinstance(ours, (TransientError, ConfigurationError))
    assert row[3].lstrip("[").startswith(NOT_LATER[not is_owed])
