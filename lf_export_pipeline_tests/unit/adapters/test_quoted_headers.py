"""Requests that cannot be written: botocore's own error quotes the header, ours does not.

Nothing is sent, so nobody listens at the address.
"""

import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from io import BytesIO

import pytest

from lf_export_pipeline.adapters.s3.object_store import S3ObjectStore
from lf_export_pipeline.adapters.smtp.mailer import SesMailer
from lf_export_pipeline.core.errors import ConfigurationError
from lf_export_pipeline.core.stored_objects import IncompleteUpload
from lf_export_pipeline.settings.s3 import S3Settings

NOWHERE = "http://127.0.0.1:9"
SETTINGS = S3Settings(
    langfuse_s3_batch_export_bucket="exports", langfuse_s3_batch_export_endpoint=NOWHERE
)


def uploaded() -> None:
    S3ObjectStore(SETTINGS).upload("exports/a", BytesIO(b"1"), "text/plain", 1)


def looked_for() -> None:
    S3ObjectStore(SETTINGS).head("exports/a")


def aborted() -> None:
    unfinished = IncompleteUpload("exports/a", "1", datetime.now(UTC))
    S3ObjectStore(SETTINGS).abort(unfinished)


def told_by_ses() -> None:
    message = EmailMessage()
    message["From"], message["To"] = "a@x.test", "b@x.test"
    SesMailer("us-east-1").send(message)


@pytest.mark.parametrize("variable", ["AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"])
@pytest.mark.parametrize("use", [uploaded, looked_for, aborted, told_by_ses])
def test_a_credential_with_a_line_break_is_not_quoted(
    use: Callable[[], None], variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {"AWS_ACCESS_KEY_ID": "AKIAHUNTER2", "AWS_SECRET_ACCESS_KEY": "hunter3"}
    known["AWS_SESSION_TOKEN"] = "hunter4"
    for name, value in known.items():
        monkeypatch.setenv(name, f"{value}\n" if name == variable else value)
    monkeypatch.setenv("AWS_ENDPOINT_URL_SESV2", NOWHERE)

    with pytest.raises(ConfigurationError, match=f"line break.*{variable}") as caught:
        use()

    said = "".join(traceback.format_exception(caught.value))
    assert "hunter" not in said.lower()
    assert "Signature=" not in said
