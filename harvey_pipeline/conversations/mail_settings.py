"""Where insights are sent by e-mail, as the environment says."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from harvey_pipeline.settings import SettingsError, given_values

SMTP_URL: Final = "HARVEY_SMTP_URL"
INSIGHTS_TO: Final = "HARVEY_INSIGHTS_TO"

_PORTS: Final = {"smtp": 587, "smtps": 465}
_ADDRESS: Final = r"[^\s@<>,;]+@[^\s@<>,;]+"
_FLAGS: Final = {"true": True, "false": False}


@dataclass(frozen=True)
class MailSettings:
    """A server that takes e-mail, who sends, and to whom.

    `is_tls` speaks TLS from the beginning; else `has_starttls` says whether TLS is demanded.
    """

    to: tuple[str, ...]
    sender: str
    host: str
    port: int
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    is_tls: bool = False
    has_starttls: bool = True


def read_mail_settings(environment: Mapping[str, str] | None = None) -> MailSettings | None:
    """Where the environment sends insights; None unless it has both a server and addresses.

    Raises:
        SettingsError: The server or an address is none. The message never holds the password.
    """
    values = given_values(environment)
    text = values.get(SMTP_URL, "").strip()
    to = tuple(filter(None, (one.strip() for one in values.get(INSIGHTS_TO, "").split(","))))
    if not text or not to:
        return None
    for address in to:
        if not re.fullmatch(_ADDRESS, address):
            raise SettingsError(
                f"{INSIGHTS_TO} has {address!r}; give addresses like name@example.com."
            )
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise _unusable() from None
    options = dict(parse_qsl(parts.query))
    user = unquote(parts.username) if parts.username else None
    has_starttls = _FLAGS.get(options.pop("starttls", "true"))
    usual = user if user is not None and re.fullmatch(_ADDRESS, user) else to[0]
    sender = options.pop("from", usual)
    is_complete = parts.scheme in _PORTS and host and (user is None) == (parts.password is None)
    is_plain = parts.path in ("", "/") and not options and not parts.fragment
    if not is_complete or not is_plain or has_starttls is None:
        raise _unusable()
    if not re.fullmatch(_ADDRESS, sender):
        raise _unusable()
    assert host is not None
    return MailSettings(
        to,
        sender,
        host,
        port or _PORTS[parts.scheme],
        user,
        unquote(parts.password) if parts.password else None,
        is_tls=parts.scheme == "smtps",
        has_starttls=has_starttls,
    )


def _unusable() -> SettingsError:
    return SettingsError(
        f"{SMTP_URL} is no address of a mail server; give smtp://user:password@host:587 or "
        "smtps://user:password@host, with ?from=name@example.com for another sender, and with "
        "?starttls=false for a server without TLS."
    )
