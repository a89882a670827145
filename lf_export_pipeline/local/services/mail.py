"""An SMTP server whose inbox is a folder."""

import smtplib
from pathlib import Path

from lf_export_pipeline.local.ports import HOST
from lf_export_pipeline.local.process import Launch
from lf_export_pipeline.local.services.base import Service
from lf_export_pipeline.local.services.clickhouse import python_environment, python_module
from lf_export_pipeline.local.smtp import PASSWORD_VARIABLE

ANSWER_TIMEOUT_SECONDS = 5


class Mail(Service):
    """`python -m lf_export_pipeline.local.smtp`; each message becomes an `.eml` file."""

    name = "smtp"
    port_names = ("smtp",)

    @property
    def home(self) -> Path:
        """The inbox."""
        return self.state_dir / "inbox"

    def launch(self) -> Launch:
        """With a user and a password, as a mail relay on the Internet would have."""
        credentials = self.state.credentials
        return Launch(
            argv=python_module(
                "lf_export_pipeline.local.smtp",
                *("--port", str(self.port)),
                *("--inbox", str(self.home)),
                *("--user", credentials.smtp_user),
            ),
            environment=python_environment(**{PASSWORD_VARIABLE: credentials.smtp_password}),
            directory=self.home,
            log=self.log,
        )

    def probe(self) -> None:
        """Logs in."""
        credentials = self.state.credentials
        with smtplib.SMTP(HOST, self.port, timeout=ANSWER_TIMEOUT_SECONDS) as client:
            client.login(credentials.smtp_user, credentials.smtp_password)
