"""Where alerts go: a webhook of Slack's form, and e-mail. The graph has both as resources."""

import json
import smtplib
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from harvey_pipeline.graph.mail import connected, message_of
from harvey_pipeline.settings import (
    ALERT_EMAIL_TO,
    ALERT_WEBHOOK,
    SMTP_HOST,
    AlertSettings,
    EmailSettings,
)

_TIMEOUT_SECONDS: Final = 10.0
_ANSWER_BYTES: Final = 200


class AlertError(Exception):
    """An alert that a target did not take; the message says which, why, and what to look at."""


@dataclass(frozen=True)
class Alert:
    """A message: one line that says what, and the rest."""

    subject: str
    text: str


class Target(Protocol):
    """Where alerts go, if it is configured; `setting` is what configures it."""

    @property
    def setting(self) -> str: ...

    @property
    def is_configured(self) -> bool: ...

    def send(self, alert: Alert) -> str:
        """Send an alert.

        Returns:
            What went wrong although the alert was taken; nothing, as a rule.

        Raises:
            AlertError: The target did not take it.
        """
        ...


# --- webhook -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Webhook:
    """A webhook that takes `{"text": ...}` by POST, as Slack's do. Its address is a secret."""

    address: str | None = field(repr=False)
    setting: str = ALERT_WEBHOOK

    @property
    def is_configured(self) -> bool:
        return self.address is not None

    def send(self, alert: Alert) -> str:
        """Post an alert; only an answer of 2xx counts as taken, a redirection does not."""
        assert self.address is not None
        body = json.dumps({"text": _escaped(f"*{alert.subject}*\n{alert.text}")}).encode()
        request = urllib.request.Request(
            self.address, body, {"Content-Type": "application/json; charset=utf-8"}
        )
        opener = urllib.request.build_opener(_Unredirected)
        try:
            with opener.open(request, timeout=_TIMEOUT_SECONDS):
                return ""
        except urllib.error.HTTPError as error:
            with error:
                answer = error.read(_ANSWER_BYTES).decode(errors="replace").strip()
            reason = f"it answered {error.code} {answer}".strip()
        except urllib.error.URLError as error:
            reason = str(error.reason)
        except Exception as error:
            # What the library says may hold the address.
            reason = type(error).__name__
        host = urlsplit(self.address).hostname
        raise AlertError(
            f"the webhook at {host} did not take the alert: {reason}. It is tried again at the "
            f"next tick; look at {ALERT_WEBHOOK}."
        ) from None


class _Unredirected(urllib.request.HTTPRedirectHandler):
    """Takes a redirection for the error that it is: what it leads to gets no message."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _escaped(text: str) -> str:
    """Text in which nothing is a link or a mention, whatever a record holds."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


# --- e-mail --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Email:
    """E-mail by SMTP."""

    settings: EmailSettings | None
    setting: str = ALERT_EMAIL_TO

    @property
    def is_configured(self) -> bool:
        return self.settings is not None

    def send(self, alert: Alert) -> str:
        """Send an alert to all addresses at once; it is taken as soon as the server takes it.

        Addresses that the server refuses while it takes others are named, and not tried again.
        """
        settings = self.settings
        assert settings is not None
        try:
            with connected(settings) as server:
                refused = server.send_message(message_of(alert.subject, alert.text, settings))
        except (smtplib.SMTPException, OSError) as error:
            raise AlertError(
                f"{settings.host}:{settings.port} did not take the e-mail: "
                f"{type(error).__name__}: {str(error).rstrip('.')}. It is tried again at the next "
                f"tick; look at {SMTP_HOST} and what belongs to it."
            ) from None
        if not refused:
            return ""
        told = "; ".join(f"{address}: {answer!r}" for address, answer in refused.items())
        return f"{settings.host} refused {told}. Correct {ALERT_EMAIL_TO}."


def build_targets(settings: AlertSettings) -> dict[str, Target]:
    """The targets by how they are reached, which is also the end of their sensors' names."""
    return {"webhook": Webhook(settings.webhook), "email": Email(settings.email)}
