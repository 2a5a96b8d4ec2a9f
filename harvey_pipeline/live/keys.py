"""What stands in Redis under which name, and how what is known of a user right now is read.

    harvey:live:<date>:<user_id>   hash: a user's sums of a day, by the events' own date
    harvey:live:<date>             hash: the same sums over all users, and how many there are
    harvey:ids:<date>              set: the ids that are in these sums
    harvey:stream:<day>            hash: entries read, lines appended and duplicates of a day of
                                   receipt
    harvey:rebuilding              while the sums are made anew from the landing folder

The first three expire 72 hours after they were last written.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from harvey_pipeline.conversations.transforms.sums import COUNTED

STREAM: Final = "conversation_events"
GROUP: Final = "harvey"
CHANNEL: Final = "user_context"

REBUILDING: Final = "harvey:rebuilding"

KEPT_SECONDS: Final = 72 * 3600
"""How long sums and ids are kept after they were last written."""
COUNTERS_KEPT_SECONDS: Final = 30 * 24 * 3600

SUMS: Final = ("events", *COUNTED, "credits_used")
"""Sums of a user's day, named as in `conversations.user_daily`."""

USERS: Final = "users"
"""Field of the sums over all users: how many users there are in them."""

COUNTERS: Final = ("entries_read", "lines_appended", "duplicates")
"""Fields of the hash of a day of receipt."""


def live_key(day: date, user_id: str) -> str:
    """The hash of a user's sums of a day."""
    return f"harvey:live:{day}:{user_id}"


def totals_key(day: date) -> str:
    """The hash of the sums of a day over all users."""
    return f"harvey:live:{day}"


def ids_key(day: date) -> str:
    """The set of the ids of the events that are in the sums of a day."""
    return f"harvey:ids:{day}"


def stream_key(day: date) -> str:
    """The hash of what was read and written on a day of receipt."""
    return f"harvey:stream:{day}"


@dataclass(frozen=True)
class Live:
    """What is known of a user's events of some days.

    Moments are ISO texts with microseconds, UTC. `last_conversation_id` and `last_tool_name` are
    those of the last event, by its own time.
    """

    sums: Mapping[str, int]
    first_event_at: str
    last_event_at: str
    last_conversation_id: str
    last_tool_name: str


def read_live(redis: Any, user_id: str, days: Sequence[date]) -> Live | None:
    """The sums of a user's days added up, by one round trip; None where there are no events.

    Args:
        redis: A client of redis-py that is not asynchronous.
        user_id: The user.
        days: Dates of the events.

    Raises:
        redis.RedisError: It does not answer.
    """
    with redis.pipeline(transaction=False) as pipeline:
        for day in days:
            pipeline.hgetall(live_key(day, user_id))
        return add_up(pipeline.execute())


def read_totals(redis: Any, day: date) -> dict[str, int]:
    """The sums of a day over all users, and `users`; 0 throughout where there are no events.

    Raises:
        redis.RedisError: It does not answer.
    """
    return as_totals(redis.hgetall(totals_key(day)))


def as_totals(found: Mapping[Any, Any]) -> dict[str, int]:
    """What the hash of a day over all users says."""
    told = _as_texts(found)
    return {name: int(told.get(name, 0)) for name in (*SUMS, USERS)}


def add_up(found: Iterable[Mapping[Any, Any]]) -> Live | None:
    """What the hashes of a user's days say together; None where all are empty."""
    hashes = [_as_texts(one) for one in found if one]
    if not hashes:
        return None
    # Moments are of one length, so that their texts compare as they do.
    last = max(hashes, key=lambda one: (one["last_event_at"], one["last_id"].encode()))
    return Live(
        {name: sum(int(one.get(name, 0)) for one in hashes) for name in SUMS},
        min(one["first_event_at"] for one in hashes),
        last["last_event_at"],
        last["conversation_id"],
        last["tool_name"],
    )


def _as_texts(found: Mapping[Any, Any]) -> dict[str, str]:
    return {_as_text(name): _as_text(value) for name, value in found.items()}


def _as_text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
