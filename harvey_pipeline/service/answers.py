"""What is answered about a user, given what the published copy and Redis know."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Literal

from harvey_pipeline.service.profiles import Profiles

LiveStatus = Literal["ok", "empty", "unavailable"]

UNKNOWN: Final = "No profile and no event of the last days is of that user."
NO_COPY: Final = (
    "No profiles are published yet, and no event of the last days is of that user. "
    "`harvey run` publishes them."
)
NO_LIVE: Final = "Redis does not answer, and that user has no profile: ask again."


@dataclass(frozen=True)
class Live:
    """What Redis knows of a user's last days: sums, or why there are none."""

    status: LiveStatus
    sums: Mapping[str, Any] | None = None


UNAVAILABLE: Final = Live("unavailable")


@dataclass(frozen=True)
class Found:
    """What is known of a user: a status of HTTP, and the body, or in its place why there is none"""

    status: int
    body: Mapping[str, Any]


def days_since(as_of: date | None, today: date, kept_days: int) -> list[date]:
    """The days after a profile's date up to today that Redis can still know: the last kept ones."""
    first = today - timedelta(days=kept_days - 1)
    if as_of is not None:
        first = max(first, as_of + timedelta(days=1))
    return [first + timedelta(days=past) for past in range((today - first).days + 1)]


def context_of(user_id: str, profiles: Profiles, live: Live) -> Found:
    """The context of a user.

    200 where the profile or the last days are known, also without Redis where there is a profile;
    503 where what is missing may be known later; else 404.
    """
    profile = profiles.of(user_id)
    if profile is None and live.status != "ok":
        if live.status == "unavailable":
            return Found(503, {"detail": NO_LIVE})
        if profiles.day is None:
            return Found(503, {"detail": NO_COPY})
        return Found(404, {"detail": UNKNOWN})
    body = {
        "user_id": user_id,
        "as_of": profiles.day,
        "profile": profile,
        "live": live.sums,
        "live_status": live.status,
    }
    return Found(200, body)


def as_json(value: object) -> str:
    """A date or a moment, which is UTC, as JSON has it.

    Raises:
        TypeError: It is neither.
    """
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def wants_plain_text(accept: Iterable[str]) -> bool:
    """Whether the values of `Accept` name plain text, and not JSON with as much weight."""
    weights = {"text/plain": 0.0, "application/json": 0.0}
    for offer in ",".join(accept).split(","):
        kind, *parameters = (part.strip().lower() for part in offer.split(";"))
        if kind in weights:
            weights[kind] = _weight(parameters)
    return weights["text/plain"] > weights["application/json"]


def _weight(parameters: Iterable[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
