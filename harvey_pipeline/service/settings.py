"""The environment variables of what is served."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from harvey_pipeline.settings import SettingsError, given_values, read_whole

CONTEXT_TOKEN: Final = "HARVEY_CONTEXT_TOKEN"
REQUESTS_PER_SECOND: Final = "HARVEY_REQUESTS_PER_SECOND"

_MOST_PER_SECOND: Final = 100_000


@dataclass(frozen=True)
class ServiceSettings:
    """Who is answered, and how often."""

    context_token: str = field(repr=False)
    """What a client shows to read contexts."""
    requests_per_second: int = 100
    """Requests answered per token and second; as many may come at once."""


def read_service_settings(environment: Mapping[str, str] | None = None) -> ServiceSettings:
    """What the environment says of the service.

    Raises:
        SettingsError: No token is set, or it holds what no header can carry, or the rate is no
            whole number from 1 on. The message never holds the token.
    """
    values = given_values(environment)
    token = values.get(CONTEXT_TOKEN, "")
    if not token:
        raise SettingsError(
            f"{CONTEXT_TOKEN} is not set; without it nobody could be told from anybody. Set it to "
            "a long random text, such as `openssl rand -hex 32` prints."
        )
    if not re.fullmatch(r"[!-~]+", token):
        raise SettingsError(
            f"{CONTEXT_TOKEN} holds blanks or characters outside ASCII, which no header carries."
        )
    rate = read_whole(
        values, REQUESTS_PER_SECOND, ServiceSettings.requests_per_second, 1, _MOST_PER_SECOND
    )
    return ServiceSettings(token, rate)
