"""The live part's own environment variables."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from harvey_pipeline.settings import SettingsError, given_values

REDIS_URL: Final = "HARVEY_REDIS_URL"

_SCHEMES: Final = ("redis", "rediss", "unix")


@dataclass(frozen=True)
class LiveSettings:
    """Where Redis is. The address may hold a password."""

    redis_url: str = field(default="redis://localhost:6379/0", repr=False)

    @property
    def shown_address(self) -> str:
        """The address without user and password, for messages."""
        return re.sub(r"//[^/]*@", "//", self.redis_url.partition("?")[0])


def read_live_settings(environment: Mapping[str, str] | None = None) -> LiveSettings:
    """Where the environment says that Redis is.

    Raises:
        SettingsError: The address is none of Redis. The message does not hold it.
    """
    url = given_values(environment).get(REDIS_URL)
    if not url:
        return LiveSettings()
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in _SCHEMES and bool(parts.hostname or parts.scheme == "unix")
        _ = parts.port
    except ValueError:
        is_address = False
    if not is_address:
        raise SettingsError(
            f"{REDIS_URL} is no address of Redis; give redis://host:6379/0, rediss://... with TLS, "
            "or unix:///path/of/socket."
        )
    return LiveSettings(url)
