"""A session with a mail server that knows when it has handed over a message."""

import smtplib
from typing import Any

from lf_export_pipeline.core.errors import AnswerLostError

ANSWER_SECONDS = 600.0  # RFC 5321, 4.5.3.2.6: to the reply to the end of a message


class MailSession(smtplib.SMTP):
    """Waits long for the reply to a message, and says so if that is lost.

    Who gives up early and tries again sends the message twice: the server has it by then.
    """

    _is_handed_over = False

    def open_to(self, host: str, port: int, server_name: str | None = None) -> None:
        """Connect; a certificate must hold the server's name, which is the host unless given.

        Raises:
            SMTPException: The server does not want to speak.
        """
        self._host = server_name or host  # what smtplib compares a certificate with
        code, reply = self.connect(host, port)
        if code != 220:
            raise smtplib.SMTPConnectError(code, reply)

    def send(self, s: Any) -> None:
        """Send a command, which is text, or a message with its final dot, which is bytes."""
        super().send(s)
        self._is_handed_over = not isinstance(s, str)

    def getreply(self) -> tuple[int, bytes]:
        """The server's reply.

        Raises:
            AnswerLostError: It was to be the reply to a message.
        """
        if not self._is_handed_over:
            return super().getreply()
        self._wait(ANSWER_SECONDS)
        try:
            return super().getreply()
        except smtplib.SMTPServerDisconnected as error:
            raise AnswerLostError("The mail server's answer to the e-mail was lost.") from error
        finally:
            self._wait(self.timeout)

    def _wait(self, seconds: float) -> None:
        if self.sock is not None:
            self.sock.settimeout(seconds)


class EncryptedMailSession(MailSession, smtplib.SMTP_SSL):
    """The same with TLS from the first byte."""
