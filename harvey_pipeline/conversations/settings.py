"""The subject's own environment variables."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from harvey_pipeline.settings import (
    ALERT_EMAIL_FROM,
    ALERT_EMAIL_TO,
    SMTP_HOST,
    SMTP_PASSWORD,
    SMTP_PORT,
    SMTP_STARTTLS,
    SMTP_USER,
    EmailSettings,
    SettingsError,
    given_values,
    read_alert_settings,
    read_whole,
)

CREDIT_LIMIT: Final = "HARVEY_CREDIT_LIMIT"
CATALOGUE: Final = "HARVEY_CONVERSATIONS_CATALOGUE"
SMTP_URL: Final = "HARVEY_SMTP_URL"
INSIGHTS_TO: Final = "HARVEY_INSIGHTS_TO"

_PORTS: Final = {"smtp": 587, "smtps": 465}

_MOST_CREDITS: Final = 999_999_999
"""No limit that an account is delivered with can be higher."""


@dataclass(frozen=True)
class ConversationSettings:
    """What depends on a product: its limit of credits, its words, and who is told of it."""

    credit_limit: int = 100
    """Credits a month of an account that names no limit of its own."""
    catalogue: Path | None = None
    """The file of words; None for the one that comes with the package."""
    insights: EmailSettings | None = None
    """How the insights are sent, and to whom; None where they are not."""


def read_conversation_settings(
    environment: Mapping[str, str] | None = None,
) -> ConversationSettings:
    """What the environment says of credits, words and insights.

    Raises:
        SettingsError: The limit is no whole number, or the address of the mail server or of a
            recipient is none. The message never holds the password.
    """
    values = given_values(environment)
    catalogue = values.get(CATALOGUE)
    return ConversationSettings(
        read_whole(values, CREDIT_LIMIT, ConversationSettings.credit_limit, 0, _MOST_CREDITS),
        Path(catalogue) if catalogue else None,
        _read_insights(values),
    )


def _read_insights(values: Mapping[str, str]) -> EmailSettings | None:
    """E-mail as alerts are sent, but to other people and by a server that one address names."""
    url, to = values.get(SMTP_URL, "").strip(), values.get(INSIGHTS_TO, "").strip()
    if not url or not to:
        return None
    given = {
        **_read_server(url),
        ALERT_EMAIL_TO: to,
        ALERT_EMAIL_FROM: values.get(ALERT_EMAIL_FROM) or to.partition(",")[0],
        SMTP_STARTTLS: values.get(SMTP_STARTTLS, ""),
    }
    try:
        return read_alert_settings(given).email
    except SettingsError as error:
        told = str(error).replace(ALERT_EMAIL_TO, INSIGHTS_TO)
        for name in (SMTP_HOST, SMTP_PORT, SMTP_USER, SMTP_PASSWORD):
            told = told.replace(name, SMTP_URL)
        raise SettingsError(told) from None


def _read_server(url: str) -> Mapping[str, str]:
    """The settings of a mail server out of `smtp://[user:password@]host[:port]`."""
    problem = SettingsError(
        f"{SMTP_URL} is no address of a mail server; give smtp://user:password@host:587, or "
        "smtps://user:password@host."
    )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise problem from None
    if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/") or parts.query:
        raise problem
    if (parts.username is None) != (parts.password is None):
        raise problem
    if parts.scheme == "smtps" and port not in (None, _PORTS["smtps"]):
        raise SettingsError(f"{SMTP_URL} names port {port}; smtps has {_PORTS['smtps']}.")
    return {
        SMTP_HOST: parts.hostname,
        SMTP_PORT: str(_PORTS[parts.scheme] if port is None else port),
        SMTP_USER: unquote(parts.username or ""),
        SMTP_PASSWORD: unquote(parts.password or ""),
    }
