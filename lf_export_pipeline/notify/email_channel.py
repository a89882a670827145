"""E-mails to the users who requested the exports."""

from lf_export_pipeline.core.errors import PermanentError
from lf_export_pipeline.core.ports import BatchExportRepository, Mailer
from lf_export_pipeline.lifecycle.notices import EMAIL_TAG
from lf_export_pipeline.notify.channels import Notification, Occasion
from lf_export_pipeline.settings import Settings


class EmailChannel:
    """A ``Channel`` through the mail server."""

    name = "e-mail"
    tag = EMAIL_TAG

    def __init__(
        self, mailer: Mailer, export_rows: BatchExportRepository, settings: Settings
    ) -> None:
        self._mailer = mailer
        self._export_rows = export_rows
        self._settings = settings

    def wants(self, occasion: Occasion) -> bool:
        """Not without a mail server; failures unless LF_EXPORT_MAIL_ON_FAILURE is false."""
        is_wanted = occasion is Occasion.READY or self._settings.lf_export_mail_on_failure
        return self._mailer.configured and is_wanted

    def send(self, notification: Notification) -> None:
        """Send it to the requester, if that is a user with an address who may see the project."""
        # With it comes jinja2, which only who has something to send needs.
        from lf_export_pipeline.notify.email_message import build_message  # noqa: PLC0415

        row = notification.row
        recipient = self._export_rows.recipient(row.user_id, row.project_id)
        if recipient is None:
            raise PermanentError("The requester has no address or may not see the project.")
        lifetime = self._settings.link_lifetime
        self._mailer.send(build_message(notification, recipient, self._settings, lifetime))
