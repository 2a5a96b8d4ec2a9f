"""Redis, asked for a user's last days in a time that a caller can wait for."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from redis import RedisError
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from harvey_pipeline.live.keys import (
    KEPT_SECONDS,
    add_up,
    as_totals,
    live_key,
    totals_key,
)
from harvey_pipeline.service.answers import UNAVAILABLE, Live

ANSWERS_WITHIN: Final = 0.010
"""Seconds that Redis has for an answer."""

KEPT_DAYS: Final = KEPT_SECONDS // 86_400 + 2
"""Days, today among them, of which Redis can know: an event comes on its day or the next one."""

_GIVEN_UP_AFTER: Final = 1.0
"""Seconds after which an answer that is waited for by nobody does not come any more."""

_CONNECTIONS: Final = 50


@dataclass(frozen=True)
class LiveSums:
    """How Redis is asked; every answer comes in time, or says that there is none."""

    of_user: Callable[[str, Sequence[date]], Awaitable[Live]]
    """A user's sums of some days."""
    of_day: Callable[[date], Awaitable[Mapping[str, int] | None]]
    """The sums of a day over all users; None where Redis does not answer."""
    is_there: Callable[[], Awaitable[bool]]
    close: Callable[[], Awaitable[None]]


def live_sums(redis_url: str) -> LiveSums:
    """How the Redis at an address is asked; it is connected to when it is."""
    # Nothing is tried twice: there is no time for it, and the next request tries again.
    redis: Any = Redis.from_url(
        redis_url,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=_GIVEN_UP_AFTER,
        socket_connect_timeout=_GIVEN_UP_AFTER,
        max_connections=_CONNECTIONS,
    )
    asked: set[asyncio.Future[Any]] = set()

    async def in_time(answer: Awaitable[Any]) -> Any:
        """What Redis answers; None if it does not, or not in time."""
        # What comes too late is waited for all the same: its connection can be used again then,
        # and one that takes long to be made is made.
        asking = asyncio.ensure_future(answer)
        asked.add(asking)
        asking.add_done_callback(forget)
        await asyncio.wait({asking}, timeout=ANSWERS_WITHIN)
        try:
            return asking.result() if asking.done() else None
        except (RedisError, OSError):
            return None

    def forget(asking: asyncio.Future[Any]) -> None:
        asked.discard(asking)
        if not asking.cancelled():
            asking.exception()

    async def of_user(user_id: str, days: Sequence[date]) -> Live:
        if not days:
            return Live("empty")
        pipeline = redis.pipeline(transaction=False)
        for day in days:
            pipeline.hgetall(live_key(day, user_id))
        found = await in_time(pipeline.execute())
        if found is None:
            return UNAVAILABLE
        known = add_up(found)
        if known is None:
            return Live("empty")
        told = {
            **known.sums,
            "first_event_at": known.first_event_at,
            "last_event_at": known.last_event_at,
            "conversation_id": known.last_conversation_id,
            "tool_name": known.last_tool_name,
        }
        return Live("ok", told)

    async def of_day(day: date) -> Mapping[str, int] | None:
        found = await in_time(redis.hgetall(totals_key(day)))
        return None if found is None else as_totals(found)

    async def is_there() -> bool:
        return await in_time(redis.ping()) is not None

    async def close() -> None:
        for asking in asked:
            asking.cancel()
        await redis.aclose()

    return LiveSums(of_user, of_day, is_there, close)
