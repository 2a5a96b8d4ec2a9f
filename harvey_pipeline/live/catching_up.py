"""Lines of the landing folder's files into the sums: those that are not in them, or all anew."""

import time
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any, Final

from harvey_pipeline.landing.judge import DropRules
from harvey_pipeline.live.keys import REBUILDING, ids_key, live_key, stream_key, totals_key
from harvey_pipeline.live.landing_folder import (
    LandingWriter,
    StreamError,
    count_lines,
    file_of,
    lines_from,
    one_writer,
)
from harvey_pipeline.live.reading import measure, read_lines
from harvey_pipeline.live.redis_client import connect
from harvey_pipeline.live.streaming import TOLD_EVERY_SECONDS, Streaming, utc_now
from harvey_pipeline.live.sums import apply_lines, load_script

_LINES_AT_ONCE: Final = 1_000
_KEYS_AT_ONCE: Final = 1_000
_ANSWERS_WITHIN_SECONDS: Final = 60.0
_REBUILT_DAYS: Final = 4
"""Today and the days of which sums may still be kept."""


def catch_up(
    redis: Any,
    script: str,
    streaming: Streaming,
    rules: DropRules,
    is_stopped: Callable[[], bool],
    first: date = date.min,
) -> int:
    """Bring the lines of a day's file that Redis has not counted into the sums.

    Args:
        redis: A client.
        script: The name of the loaded script.
        streaming: Where the file is, of which nobody else writes it, and how its lines are read.
        rules: Those of the day.
        is_stopped: Whether to leave off; the rest is caught up another time.
        first: Events before this date stay away.

    Returns:
        How many lines these are.

    Raises:
        redis.RedisError: Redis does not answer, or refuses.
        LandingError: The file cannot be read.
    """
    day = rules.drop_date
    assert day is not None
    path = file_of(streaming.landing, day)
    lines = count_lines(path)
    counted = int(redis.hget(stream_key(day), "lines_appended") or 0)
    if counted > lines:
        streaming.tell(
            f"Redis has counted {counted:,} lines of {day}, and the file has {lines:,}: lines were "
            "taken out of it, or another landing folder has the same Redis. The counter is set to "
            "the file's; `harvey stream --rebuild` makes the sums anew."
        )
        redis.hset(stream_key(day), "lines_appended", lines)
        redis.hincrby(stream_key(day), "entries_read", lines - counted)
        return 0
    before, told_at = counted, time.monotonic()
    for some in lines_from(path, counted, _LINES_AT_ONCE):
        if is_stopped():
            break
        if time.monotonic() - told_at > TOLD_EVERY_SECONDS:
            streaming.tell(f"Catching up: {before:,} of {lines:,} lines of {day}.")
            told_at = time.monotonic()
        read = read_lines(some, rules, streaming.tombstones())
        measured = measure(read.accepted, range(len(some)), streaming.catalogue)
        if first > date.min:
            measured = measured.filter(measured["date"] >= str(first))
        apply_lines(redis, script, day, before, len(some), 0, measured)
        before += len(some)
    return before - counted


def rebuild(streaming: Streaming) -> int:
    """Make the sums of today and the three days before anew from the landing folder's files.

    Returns:
        How many lines were read.

    Raises:
        StreamError: Somebody writes the landing folder.
        LandingError: A file cannot be read.
        redis.RedisError: Redis does not answer, or refuses.
        MissingExtraError: redis-py is not installed.
    """
    redis = connect(streaming.live, _ANSWERS_WITHIN_SECONDS)
    with one_writer(streaming.landing, lambda _: True, lambda _: None) as is_held:
        if not is_held:
            raise StreamError(
                f"`harvey stream` is at work in {streaming.landing}. Stop it, rebuild, and start "
                "it again: what comes meanwhile waits in Redis."
            )
        script = load_script(redis)
        today = utc_now().date()
        days = [today - timedelta(days=back) for back in reversed(range(_REBUILT_DAYS))]
        # Refuses a folder that cannot be counted, before anything is gone.
        LandingWriter(streaming.landing, today)
        redis.set(REBUILDING, 1)
        for day in (days[0] - timedelta(days=1), *days, today + timedelta(days=1)):
            remove_day(redis, day)
        lines = 0
        for day in days:
            _count_anew(redis, day)
            added = catch_up(
                redis, script, streaming, streaming.rules_of(day), lambda: False, days[0]
            )
            streaming.tell(f"Lines of {day}: {added:,}.")
            lines += added
        redis.delete(REBUILDING)
        return lines


def refuse_half_rebuilt(redis: Any) -> None:
    """Refuse sums of which some days are gone and others not.

    Raises:
        StreamError: `rebuild` was broken off.
    """
    if redis.exists(REBUILDING):
        raise StreamError(
            "The sums in Redis were being made anew, and that was broken off. Finish it with "
            "`harvey stream --rebuild`, then start again."
        )


def remove_day(redis: Any, day: date) -> None:
    """Remove the sums of a day, and the ids that are in them."""
    users = redis.scan_iter(match=f"{live_key(day, '')}*", count=_KEYS_AT_ONCE)
    batch = [totals_key(day), ids_key(day)]
    for key in users:
        batch.append(key)
        if len(batch) >= _KEYS_AT_ONCE:
            redis.unlink(*batch)
            batch = []
    if batch:
        redis.unlink(*batch)


def _count_anew(redis: Any, day: date) -> None:
    """Forget how many lines of a day are counted; what was read twice stays."""
    key = stream_key(day)
    if redis.exists(key):
        duplicates = int(redis.hget(key, "duplicates") or 0)
        redis.hset(key, mapping={"lines_appended": 0, "entries_read": duplicates})
