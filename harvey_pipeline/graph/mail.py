"""E-mail by SMTP: a server that is connected to, and a message."""

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Final

from harvey_pipeline.settings import EmailSettings

_TIMEOUT_SECONDS: Final = 10.0
_TLS_PORT: Final = 465


@contextmanager
def connected(settings: EmailSettings) -> Iterator[smtplib.SMTP]:
    """A server that takes messages.

    Raises:
        smtplib.SMTPException: It refuses.
        OSError: It cannot be reached.
    """
    tls = ssl.create_default_context()
    if settings.port == _TLS_PORT:
        server: smtplib.SMTP = smtplib.SMTP_SSL(
            settings.host, settings.port, timeout=_TIMEOUT_SECONDS, context=tls
        )
    else:
        server = smtplib.SMTP(settings.host, settings.port, timeout=_TIMEOUT_SECONDS)
    try:
        if settings.has_starttls and settings.port != _TLS_PORT:
            server.starttls(context=tls)
        if settings.user is not None and settings.password is not None:
            server.login(settings.user, settings.password)
        yield server
        # What was taken stays taken, whatever the farewell comes to.
        with suppress(smtplib.SMTPException, OSError):
            server.quit()
    finally:
        server.close()


def message_of(
    subject: str, text: str, settings: EmailSettings, html: str | None = None
) -> EmailMessage:
    """A message to all addresses at once, as text and, where there is any, HTML beside it."""
    message = EmailMessage()
    message["Subject"] = " ".join(subject.split())
    message["From"] = settings.sender
    message["To"] = ", ".join(settings.to)
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain=settings.sender.rpartition("@")[2])
    message.set_content(text)
    if html is not None:
        message.add_alternative(html, subtype="html")
    return message
