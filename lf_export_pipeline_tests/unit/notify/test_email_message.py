from datetime import UTC, datetime, timedelta
from email.message import EmailMessage

import pytest

from lf_export_pipeline.core.errors import ConfigurationError, PermanentError
from lf_export_pipeline.core.ports import Recipient
from lf_export_pipeline.notify.channels import Notification, Occasion
from lf_export_pipeline.notify.email_message import SUBJECTS, build_message
from lf_export_pipeline.settings import MailSettings
from lf_export_pipeline_tests.numbers_table import export_row

SIGNED = "https://bucket.test/key?X-Amz-Signature=abc&x=1"


def mail(
    *,
    sender: str | None = "noreply@example.test",
    web: str | None = "https://langfuse.test",
    to: str = "alice@example.test",
    name: str | None = "Alice",
    export_name: str = "Traces",
    hours: int = 24,
    remark: str | None = None,
    occasion: Occasion = Occasion.READY,
) -> EmailMessage:
    row = export_row(
        name=export_name,
        project_id="proj-1",
        url=SIGNED if occasion is Occasion.READY else None,
        log=remark,
        expires_at=datetime(2031, 3, 2, 14, 5, tzinfo=UTC),
        created_at=datetime(2031, 3, 1, 9, 30, tzinfo=UTC),
    )
    return build_message(
        Notification(occasion, row, rows=1_234, size=5 * 1024 * 1024),
        Recipient(to, name),
        MailSettings(email_from_address=sender, nextauth_url=web),
        timedelta(hours=hours),
    )


def part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    assert isinstance(body, EmailMessage)
    return str(body.get_content())


def test_the_headers_are_langfuses() -> None:
    message = mail()
    assert message["From"] == "Langfuse <noreply@example.test>"
    assert message["To"] == "alice@example.test"
    assert message["Subject"] == "Your data export is ready: Traces"


@pytest.mark.parametrize("kind", ["plain", "html"])
def test_both_parts_lead_to_the_exports_page_and_not_to_the_file(kind: str) -> None:
    text = part(mail(), kind)
    assert "https://langfuse.test/project/proj-1/settings/exports" in text
    assert "X-Amz-Signature" not in text


def test_a_slash_at_the_end_of_the_web_address_stays_as_in_langfuse() -> None:
    text = part(mail(web="https://langfuse.test/base/"), "plain")
    assert "https://langfuse.test/base//project/proj-1/settings/exports" in text


def test_without_a_web_address_the_link_is_the_file() -> None:
    message = mail(web=None)
    assert SIGNED in part(message, "plain")
    assert SIGNED.replace("&", "&amp;") in part(message, "html")


@pytest.mark.parametrize(("hours", "words"), [(1, "next 1 hour"), (24, "next 24 hours")])
def test_the_window_is_said_in_hours(hours: int, words: str) -> None:
    message = mail(hours=hours)
    assert f"{words}." in part(message, "html")
    assert f"{words}:" in part(message, "plain")


@pytest.mark.parametrize(("name", "greeting"), [("Zoë 日本", "Hello Zoë 日本,"), (None, "Hello,")])
@pytest.mark.parametrize("kind", ["plain", "html"])
def test_the_greeting_uses_the_name_if_there_is_one(
    kind: str, name: str | None, greeting: str
) -> None:
    assert greeting in part(mail(name=name), kind)


def test_names_cannot_bring_markup_into_the_page() -> None:
    html = part(mail(name="<b>x</b>", export_name='<script>alert("1")</script>'), "html")
    assert "<script" not in html
    assert "<b>" not in html
    assert "&lt;script&gt;" in html


def test_names_cannot_bring_headers_into_the_message() -> None:
    message = mail(name="x\r\nBcc: evil@example.test", export_name="y\r\n\r\nBcc: z@example.test")
    assert message["Bcc"] is None
    assert "\nBcc:" not in part(message, "plain")


@pytest.mark.parametrize("kind", ["plain", "html"])
def test_the_remark_about_a_cut_is_in_both_parts(kind: str) -> None:
    remark = "The export holds the first 10 rows."
    assert remark in part(mail(remark=remark), kind)
    assert remark not in part(mail(), kind)


@pytest.mark.parametrize("kind", ["plain", "html"])
def test_the_message_says_to_whom_it_went_and_what_the_columns_are(kind: str) -> None:
    text = " ".join(part(mail(), kind).split())
    assert "sent to alice@example.test" in text
    assert "columns on your screen are not reflected" in text


@pytest.mark.parametrize(
    "address", ["a@x.test, b@x.test", "a@x.test\r\nBcc: b@x.test", "a", "a@b@c"]
)
def test_an_address_that_is_not_one_address_is_refused(address: str) -> None:
    with pytest.raises(PermanentError, match="address"):
        mail(to=address)


@pytest.mark.parametrize(
    ("address", "sent"),
    [
        ("u@münchen.example", "u@xn--mnchen-3ya.example"),
        ("u@straße.example", "u@xn--strae-oqa.example"),
        ("u@日本.example", "u@xn--wgv71a.example"),
        ("u@XN--mnchen-3ya.example", "u@XN--mnchen-3ya.example"),
        ("ünï@example.com", "ünï@example.com"),
        ("ünï@münchen.example", "ünï@münchen.example"),
        ("u@[192.0.2.1]", "u@[192.0.2.1]"),
        ('"a b"@example.com', '"a b"@example.com'),
    ],
)
def test_an_address_of_another_script_is_written_as_nodemailer_writes_it(
    address: str, sent: str
) -> None:
    assert mail(to=address)["To"].addresses[0].addr_spec == sent
    assert mail(sender=address)["From"].addresses[0].addr_spec == sent
    assert mail(sender=address)["Message-ID"].isascii()


@pytest.mark.parametrize(
    "address", ["ü\r\nBcc: b@x.test", "ü b@x.test", "ü@b@x.test", "ü@", "ü@ü..x"]
)
def test_an_address_of_another_script_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(PermanentError, match="address"):
        mail(to=address)


@pytest.mark.parametrize(
    ("written", "header"),
    [
        ("Langfuse <noreply@example.com>", "Langfuse <noreply@example.com>"),
        ("noreply@example.com", "Langfuse <noreply@example.com>"),
        ("<noreply@example.com>", "Langfuse <noreply@example.com>"),
        ('"Exports, all" <noreply@example.com>', '"Exports, all" <noreply@example.com>'),
        (" Exports <u@münchen.example> ", "Exports <u@xn--mnchen-3ya.example>"),
    ],
)
def test_a_sender_may_have_a_name_of_its_own(written: str, header: str) -> None:
    assert mail(sender=written)["From"] == header


@pytest.mark.parametrize(
    "address", [None, "nobody", "Me <me>", "Me <a@x.test> b", "A\r\nBcc: x <a@x.test>"]
)
def test_a_sender_that_is_no_address_is_a_matter_of_configuration(address: str | None) -> None:
    with pytest.raises(ConfigurationError, match="EMAIL_FROM_ADDRESS"):
        mail(sender=address)


@pytest.mark.parametrize("kind", ["plain", "html"])
def test_the_message_says_what_the_file_is_and_until_when_it_is_there(kind: str) -> None:
    text = part(mail(), kind)
    for fact in ("numbers", "proj-1", "CSV", "1,234", "5.0 MiB", "2031-03-02 14:05 UTC"):
        assert fact in text


def test_the_subject_of_a_failure_has_the_exports_name() -> None:
    message = mail(occasion=Occasion.FAILED, export_name="Traces of May")
    assert message["Subject"] == "Your data export failed: Traces of May"


@pytest.mark.parametrize("kind", ["plain", "html"])
def test_a_failure_says_why_and_what_to_do(kind: str) -> None:
    text = part(mail(occasion=Occasion.FAILED, remark="Invalid filter column: colour."), kind)
    for said in ("Invalid filter column: colour.", "start it again", "2031-03-01 09:30 UTC"):
        assert said in text
    assert "Available until" not in text
    assert "https://langfuse.test/project/proj-1/settings/exports" in text


@pytest.mark.parametrize("kind", ["plain", "html"])
def test_a_failure_without_a_web_address_has_no_link(kind: str) -> None:
    assert "http" not in part(mail(occasion=Occasion.FAILED, web=None), kind).replace(
        "http-equiv", ""
    )


@pytest.mark.parametrize("occasion", Occasion)
def test_an_export_without_a_name_has_the_plain_subject(occasion: Occasion) -> None:
    subject = mail(occasion=occasion, export_name=" \n ")["Subject"]
    assert subject == SUBJECTS[occasion]


@pytest.mark.parametrize("kind", ["plain", "html"])
def test_a_standing_export_that_is_paused_is_told_with_its_reason(kind: str) -> None:
    message = mail(occasion=Occasion.PAUSED, export_name="Each day", remark="Its last 3 failed.")

    assert message["Subject"] == "Your standing data export is paused: Each day"
    text = " ".join(part(message, kind).split())
    assert "Each day" in text
    assert "Its last 3 failed." in text
    assert "resume the standing export" in text
    assert "https://langfuse.test/project/proj-1/settings/exports" in text
    assert "X-Amz-Signature" not in text
