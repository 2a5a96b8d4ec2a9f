"""`harvey stream`: events from Redis into the landing folder, and into the sums of right now.

Of each batch, in this order: its lines are appended to the file of the day and on disk; the sums in
Redis are changed; its entries are acknowledged. Whatever ends it in between, the entries are
delivered again: those whose id is in the file are not appended again, and lines that the sums do
not have yet are caught up from the file, since Redis knows how many of its lines are in them.
"""

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from harvey_pipeline.landing.judge import DropRules
from harvey_pipeline.live.catching_up import catch_up, refuse_half_rebuilt
from harvey_pipeline.live.keys import CHANNEL, GROUP, STREAM
from harvey_pipeline.live.landing_folder import LandingWriter, file_of, one_writer
from harvey_pipeline.live.lines import line_of_entry, lines_of_message
from harvey_pipeline.live.reading import measure, read_lines, remove_left_scratch
from harvey_pipeline.live.redis_client import connect, refusal, what_is_wrong
from harvey_pipeline.live.streaming import TOLD_EVERY_SECONDS, Streaming, utc_now
from harvey_pipeline.live.sums import OutOfStepError, apply_lines, load_script

_MOST_ENTRIES: Final = 1_000
"""Entries of one batch."""
_WAITS_MILLISECONDS: Final = 200
"""How long Redis is waited for when nothing is in the stream: a stop takes as long."""
_FIRST_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 30.0


@dataclass
class Told:
    """What a consumer has done since it began."""

    appended: int = 0
    duplicates: int = 0
    accepted: int = 0


@dataclass(frozen=True)
class _Arrived:
    """Lines, the entries of the stream that they are of, and whether these came before."""

    lines: Sequence[str]
    entries: Sequence[bytes] = ()
    is_redelivered: bool = False


def consume(streaming: Streaming, stop: threading.Event) -> Told:
    """Take in what comes until told to stop; then end with what is at hand done.

    Raises:
        StreamError: The landing folder cannot be written as it is, or sums are half rebuilt.
        LandingError: A file in it cannot be read.
        RefusedError: Redis refuses what no waiting mends.
        MissingExtraError: redis-py is not installed.
    """
    redis = connect(streaming.live)
    told = Told()
    with one_writer(streaming.landing, stop.wait, streaming.tell) as is_held:
        if is_held:
            remove_left_scratch()
            streaming.tell(
                f"Reading {STREAM} and {CHANNEL} of Redis at {streaming.live.shown_address} into "
                f"{file_of(streaming.landing, utc_now().date()).parent}."
            )
            _consume(_Consumer(streaming, redis, told, stop))
    return told


def _consume(consumer: "_Consumer") -> None:
    """Have the consumer at work, and try again for as long as Redis does not answer."""
    from redis import RedisError

    streaming, stop = consumer.streaming, consumer.stop
    pause = 0.0
    while not stop.is_set():
        before = consumer.steps
        try:
            consumer.work()
        except OutOfStepError as error:
            streaming.tell(f"{error}; catching up.")
            stop.wait(_FIRST_PAUSE)
        except RedisError as error:
            if (refused := refusal(error, streaming.live)) is not None:
                raise refused from error
            is_new = consumer.steps != before
            pause = _FIRST_PAUSE if is_new or not pause else min(2 * pause, _LONGEST_PAUSE)
            streaming.tell(
                f"Redis at {streaming.live.shown_address} {what_is_wrong(error)}. "
                f"Trying again in {pause:g} s."
            )
            stop.wait(pause)


class _Consumer:
    """One that holds the lock, while it is connected."""

    def __init__(self, streaming: Streaming, redis: Any, told: Told, stop: threading.Event) -> None:
        self.streaming = streaming
        self.redis = redis
        self.told = told
        self.stop = stop
        self.writer = LandingWriter(streaming.landing, utc_now().date())
        self.steps = 0
        """Times that Redis answered; as long as they grow, it is there."""
        self._rules: dict[date, DropRules] = {}
        self._script = ""
        self._told_at = time.monotonic()
        self._told_events = 0

    def work(self) -> None:
        """Catch up, take what is left over from before, and then what comes, until told to stop."""
        refuse_half_rebuilt(self.redis)
        _make_group(self.redis)
        self._script = load_script(self.redis)
        for day in (self.writer.before.day, self.writer.day):
            self._catch_up(day)
        self.steps += 1
        pubsub = self.redis.pubsub(ignore_subscribe_messages=True)
        try:
            pubsub.subscribe(CHANNEL)
            while not self.stop.is_set() and (left := self._read("0")):
                self._take(left)
            claimed_at = -self.streaming.claim_after
            while not self.stop.is_set():
                if time.monotonic() - claimed_at >= self.streaming.claim_after / 4:
                    self._claim()
                    claimed_at = time.monotonic()
                self._take(self._read(">"))
                self._take(_read_channel(pubsub))
                self.steps += 1
                self._tell_progress()
        finally:
            with suppress(OSError):
                pubsub.close()

    # --- what arrives ---

    def _read(self, position: str) -> _Arrived | None:
        """The next entries: new ones by `>`, those delivered but not acknowledged by `0`."""
        answer = self.redis.xreadgroup(
            GROUP,
            self.streaming.name,
            {STREAM: position},
            count=_MOST_ENTRIES,
            block=_WAITS_MILLISECONDS,
        )
        entries = answer[0][1] if answer else []
        return self._arrived(entries, is_redelivered=position != ">")

    def _claim(self) -> None:
        """Take over what other consumers have left unacknowledged for too long."""
        idle = round(self.streaming.claim_after * 1_000)
        cursor: Any = b"0-0"
        while not self.stop.is_set():
            answer = self.redis.xautoclaim(
                STREAM, GROUP, self.streaming.name, idle, cursor, count=_MOST_ENTRIES
            )
            cursor = answer[0]
            if claimed := self._arrived(answer[1], is_redelivered=True):
                self.streaming.tell(
                    f"Entries of another consumer taken over: {len(claimed.entries):,}."
                )
                self._take(claimed)
            if cursor in (b"0-0", "0-0"):
                return

    def _arrived(self, entries: Sequence[Any], *, is_redelivered: bool) -> _Arrived | None:
        if not entries:
            return None
        # An entry that was deleted from the stream has no fields any more.
        gone = [entry for entry, fields in entries if not fields]
        if gone:
            self.redis.xack(STREAM, GROUP, *gone)
        left = [(entry, fields) for entry, fields in entries if fields]
        lines = [line_of_entry(fields) for _, fields in left]
        return _Arrived(lines, [entry for entry, _ in left], is_redelivered)

    # --- what is done with it ---

    def _take(self, arrived: _Arrived | None) -> None:
        """Append, flush, change the sums, acknowledge: in this order."""
        if arrived is None or not arrived.lines:
            return
        read = None
        while read is None or utc_now().date() != self.writer.day:
            today = utc_now().date()
            if today != self.writer.day:
                self.writer.turn_to(today)
                self._catch_up(today)
            rules, erased = self._rules_of(today), self.streaming.tombstones()
            read = read_lines(arrived.lines, rules, erased)
        new = self._places_of_new(arrived, read.ids)
        before, day = self.writer.today.lines, self.writer.day
        self.writer.append(
            [arrived.lines[place] for place in new], [read.ids[place] for place in new]
        )
        measured = measure(read.accepted, new, self.streaming.catalogue)
        duplicates = len(arrived.lines) - len(new)
        apply_lines(self.redis, self._script, day, before, len(new), duplicates, measured)
        if arrived.entries:
            self.redis.xack(STREAM, GROUP, *arrived.entries)
        self.told.appended += len(new)
        self.told.duplicates += duplicates
        self.told.accepted += measured.height

    def _places_of_new(self, arrived: _Arrived, ids: Sequence[str | None]) -> list[int]:
        """The places of the lines that are not in a file yet."""
        new: list[int] = []
        seen: set[str] = set()
        for place, (line, event_id) in enumerate(zip(arrived.lines, ids, strict=True)):
            if event_id is None:
                # Two that are alike may both be meant; one that is delivered again is itself.
                is_known = arrived.is_redelivered and self.writer.has_nameless(line)
            else:
                is_known = event_id in seen or self.writer.has_id(event_id)
                seen.add(event_id)
            if not is_known:
                new.append(place)
        return new

    def _rules_of(self, day: date) -> DropRules:
        if day not in self._rules:
            self._rules[day] = self.streaming.rules_of(day)
        return self._rules[day]

    def _catch_up(self, day: date) -> None:
        added = catch_up(
            self.redis, self._script, self.streaming, self._rules_of(day), self.stop.is_set
        )
        if added:
            self.streaming.tell(f"Lines of {day} brought into the sums from the file: {added:,}.")

    def _tell_progress(self) -> None:
        now = time.monotonic()
        seconds = now - self._told_at
        if seconds < TOLD_EVERY_SECONDS:
            return
        events = self.told.appended + self.told.duplicates
        if events > self._told_events:
            self.streaming.tell(
                f"{utc_now():%H:%M:%S} {self.told.appended:,} appended "
                f"({(events - self._told_events) / seconds:,.0f} entries/s), "
                f"{self.told.duplicates:,} duplicates, "
                f"{self.told.appended - self.told.accepted:,} that do not count."
            )
        self._told_at, self._told_events = now, events


def _make_group(redis: Any) -> None:
    """Make sure that there are the stream and the group, which begins with the first entry."""
    from redis.exceptions import ResponseError

    try:
        redis.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
    except ResponseError as error:
        if not str(error).startswith("BUSYGROUP"):
            raise


def _read_channel(pubsub: Any) -> _Arrived | None:
    """What has come over the channel since the last look."""
    lines: list[str] = []
    while len(lines) < _MOST_ENTRIES and (message := pubsub.get_message(timeout=0)) is not None:
        lines += lines_of_message(message["data"], utc_now())
    return _Arrived(lines) if lines else None
