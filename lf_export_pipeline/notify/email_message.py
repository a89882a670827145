"""The e-mails that say that a file is ready, or that an export failed."""

import re
from datetime import timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from functools import cache

import jinja2

from lf_export_pipeline.core.errors import ConfigurationError, ExportError, PermanentError
from lf_export_pipeline.core.ports import Recipient
from lf_export_pipeline.notify.channels import Notification, Occasion, exports_link
from lf_export_pipeline.settings import MailSettings
from lf_export_pipeline.settings.addresses import sent_host

SUBJECTS = {
    Occasion.READY: "Your data export is ready",
    Occasion.FAILED: "Your data export failed",
    Occasion.PAUSED: "Your standing data export is paused",
}
SUBJECT_NAME_MAX = 150
_WITH_A_NAME = re.compile(r"(?P<name>[^<>]*)<(?P<address>[^<>]+)>")
_IS_PLAIN = re.compile(r"[^\s\x00-\x1f\x7f()<>\[\]:;@\\,\"]+")  # RFC 6531: atoms of UTF-8


def build_message(
    notification: Notification,
    recipient: Recipient,
    settings: MailSettings,
    link_lifetime: timedelta,
) -> EmailMessage:
    """The message, ready to send, as HTML and as plain text.

    Langfuse: sender, the beginning of the subject, and where the button leads. The rest is ours.

    Args:
        notification: What has happened.
        recipient: Who requested the export.
        settings: The sender's address, and the web app's where there is one.
        link_lifetime: How long the file can be downloaded.

    Raises:
        ConfigurationError: EMAIL_FROM_ADDRESS is missing or not a valid e-mail address.
        PermanentError: The user's address is not a valid e-mail address.
    """
    message, row = EmailMessage(), notification.row
    sender = sender_of(settings)
    subject = SUBJECTS[notification.occasion]
    message["From"] = sender
    message["To"] = _receiver(recipient.email)
    title = "".join(filter(str.isprintable, notification.name))[:SUBJECT_NAME_MAX]
    message["Subject"] = f"{subject}: {title}" if title else subject
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain=_ascii_domain(sender))
    message["Auto-Submitted"] = "auto-generated"  # keeps holiday notices away
    page = exports_link(settings.nextauth_url, row.project_id)
    is_ready = notification.occasion is Occasion.READY
    values = {
        "subject": subject,
        "name": _one_line(recipient.name or ""),
        "export_name": notification.name,
        "window": _hours(link_lifetime),
        "link": page or (row.url if is_ready else None),
        "remark": row.log,
        "facts": notification.facts,
        "receiver": recipient.email,
    }
    template = f"export_{notification.occasion.value}"
    message.set_content(_templates().get_template(f"{template}.txt.j2").render(values))
    html = _templates().get_template(f"{template}.html.j2").render(values)
    message.add_alternative(html, subtype="html")
    return message


def sender_of(settings: MailSettings) -> Address:
    """The sender, called Langfuse unless EMAIL_FROM_ADDRESS has a name of its own.

    Raises:
        ConfigurationError: EMAIL_FROM_ADDRESS is missing or not a valid e-mail address.
    """
    refusal = ConfigurationError(
        "EMAIL_FROM_ADDRESS is not a valid e-mail address; expected one like name@example.com."
    )
    written = (settings.email_from_address or "").strip()
    named = _WITH_A_NAME.fullmatch(written)
    name = named["name"].strip('" ') if named else ""
    return _address(named["address"] if named else written, name or "Langfuse", refusal)


def _receiver(address: str) -> Address:
    refusal = PermanentError(
        "The address of the user who asked for the export is not a valid e-mail address."
    )
    return _address(address, "", refusal)


def _address(written: str, display_name: str, refusal: ExportError) -> Address:
    """The address as servers without SMTPUTF8 take it: Punycode for domains of other scripts.

    Source: nodemailer, which leaves a domain as it is only behind a local part that needs SMTPUTF8
    anyway. Python's parser knows no such local parts, so that they are given to it as a part.
    """
    local, _, domain = written.rpartition("@")
    try:
        if not local.isascii() and _IS_PLAIN.fullmatch(local) and sent_host(domain):
            return Address(display_name, username=local, domain=domain)
        if not domain.isascii():
            written = f"{local}@{sent_host(domain)}"
        return Address(display_name, addr_spec=written)
    except Exception as error:  # Python's parser stumbles over some in ways of its own: "a@["
        raise refusal from error


def _ascii_domain(sender: Address) -> str | None:
    return sent_host(sender.domain) if sender.domain else None


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _hours(lifetime: timedelta) -> str:
    hours = round(lifetime / timedelta(hours=1))
    return "1 hour" if hours == 1 else f"{hours} hours"


@cache
def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("lf_export_pipeline.notify"),
        autoescape=jinja2.select_autoescape(["html.j2"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
