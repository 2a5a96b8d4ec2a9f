"""E-mail of a page, by SMTP."""

import smtplib
from typing import TYPE_CHECKING

from harvey_pipeline.cli.app import FailedError

if TYPE_CHECKING:
    from harvey_pipeline.settings import EmailSettings


def send_mail(settings: "EmailSettings", subject: str, text: str, html: str) -> list[str]:
    """Send a page as text and HTML to all addresses at once.

    Returns:
        Addresses that the server refused while it took others.

    Raises:
        FailedError: The server did not take it; the message never holds the password.
    """
    from harvey_pipeline.graph.mail import connected, message_of

    try:
        with connected(settings) as server:
            return sorted(server.send_message(message_of(subject, text, settings, html)))
    except (smtplib.SMTPException, OSError) as error:
        raise FailedError(
            f"{settings.host}:{settings.port} did not take the e-mail: "
            f"{type(error).__name__}: {str(error).rstrip('.')}. The files are written; look at "
            "HARVEY_SMTP_URL and run the command again."
        ) from None
