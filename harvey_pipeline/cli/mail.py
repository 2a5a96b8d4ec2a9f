"""E-mail of a page, by SMTP."""

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import TYPE_CHECKING, Final

from harvey_pipeline.cli.app import FailedError

if TYPE_CHECKING:
    from harvey_pipeline.conversations.mail_settings import MailSettings

_TIMEOUT_SECONDS: Final = 10.0


def send_mail(settings: "MailSettings", subject: str, text: str, html: str) -> list[str]:
    """Send a page as text and HTML to all addresses at once.

    Returns:
        Addresses that the server refused while it took others.

    Raises:
        FailedError: The server did not take it; the message never holds the password.
    """
    message = EmailMessage()
    message["Subject"] = " ".join(subject.split())
    message["From"] = settings.sender
    message["To"] = ", ".join(settings.to)
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain=settings.sender.rpartition("@")[2])
    message.set_content(text)
    message.add_alternative(html, subtype="html")
    try:
        with _connected(settings) as server:
            return sorted(server.send_message(message))
    except (smtplib.SMTPException, OSError) as error:
        raise FailedError(
            f"{settings.host}:{settings.port} did not take the e-mail: "
            f"{type(error).__name__}: {str(error).rstrip('.')}. The files are written; look at "
            "HARVEY_SMTP_URL and run the command again."
        ) from None


@contextmanager
def _connected(settings: "MailSettings") -> Iterator[smtplib.SMTP]:
    tls = ssl.create_default_context()
    where = (settings.host, settings.port)
    if settings.is_tls:
        server: smtplib.SMTP = smtplib.SMTP_SSL(*where, timeout=_TIMEOUT_SECONDS, context=tls)
    else:
        server = smtplib.SMTP(*where, timeout=_TIMEOUT_SECONDS)
    try:
        if settings.has_starttls and not settings.is_tls:
            server.starttls(context=tls)
        if settings.user is not None and settings.password is not None:
            server.login(settings.user, settings.password)
        yield server
        # What was taken stays taken, whatever the farewell comes to.
        with suppress(smtplib.SMTPException, OSError):
            server.quit()
    finally:
        server.close()
