"""A person's traces in Redis: sums of days, and events that wait in the stream."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from harvey_pipeline.live.keys import STREAM

_AT_A_TIME: Final = 1_000
_DAY: Final = "????-??-??"


def count_live(redis: Any, user_ids: Sequence[str]) -> int:
    """How many keys and stream entries are these users'.

    Raises:
        redis.RedisError: It does not answer.
    """
    return len(list(_keys(redis, user_ids))) + len(list(_entries(redis, user_ids)))


def erase_live(redis: Any, user_ids: Sequence[str]) -> int:
    """Delete these users' keys and stream entries; return how many.

    The sums over all users, which expire within days, stay.

    Raises:
        redis.RedisError: It does not answer.
    """
    keys, entries = list(_keys(redis, user_ids)), list(_entries(redis, user_ids))
    for key in keys:
        redis.delete(key)
    for entry in entries:
        redis.xdel(STREAM, entry)
    return len(keys) + len(entries)


def _keys(redis: Any, user_ids: Sequence[str]) -> Iterator[Any]:
    for user_id in user_ids:
        exactly = re.sub(r"[\\*?\[\]^-]", r"\\\g<0>", user_id)
        yield from redis.scan_iter(match=f"harvey:live:{_DAY}:{exactly}", count=_AT_A_TIME)


def _entries(redis: Any, user_ids: Sequence[str]) -> Iterator[Any]:
    """The ids of the stream's entries whose event is one of these users'."""
    last: Any = "-"
    while some := redis.xrange(STREAM, min=last, count=_AT_A_TIME):
        for entry, fields in some:
            if any(_is_of(value, user_ids) for value in fields.values()):
                yield entry
        newest = some[-1][0]
        last = f"({newest.decode() if isinstance(newest, bytes) else newest}"


def _is_of(value: Any, user_ids: Sequence[str]) -> bool:
    try:
        event = json.loads(value)
    except ValueError:
        return False
    if not isinstance(event, dict):
        return False
    told = (event.get(name) for name in ("user_id", "userId"))
    return any(str(one).strip() in user_ids for one in told if one is not None)
