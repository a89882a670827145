"""An SMTP server whose inbox is a folder."""

import smtplib
from pathlib import Path

from lf_export_localstack.processes.process import Launch
from lf_export_localstack.processes.tcp_ports import HOST
from lf_export_localstack.services.clickhouse_service import python_environment, python_module
from lf_export_localstack.services.service import Service
from lf_export_localstack.services.smtp_server import PASSWORD_VARIABLE

ANSWER_TIMEOUT_SECONDS = 5


class Mail(Service):
    """The SMTP server of ``smtp_server``; each message becomes an `.eml` file."""

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
                "lf_export_localstack.services.smtp_server",
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
