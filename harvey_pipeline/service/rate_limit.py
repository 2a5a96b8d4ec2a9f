"""How often whoever asks is answered: a bucket of turns each, refilled as time goes on."""

import time
from collections.abc import Callable, Hashable
from typing import Final

_BUCKETS: Final = 10_000
"""From so many on, those that are full again are forgotten: a full one is as good as none."""


class TurnBuckets:
    """Turns of whoever asks, by key: `per_second` at once, and as many more each second."""

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._most = max(per_second, 1.0)
        self._clock = clock
        self._left: dict[Hashable, tuple[float, float]] = {}
        """Of each key: how many turns were left, and when that was."""

    def take(self, key: Hashable) -> float:
        """Take a turn: 0, or the seconds until the next one where none is left."""
        now = self._clock()
        left = self._left_now(key, now)
        if left < 1:
            return (1 - left) / self._per_second
        if key not in self._left and len(self._left) >= _BUCKETS:
            self._forget_full(now)
        self._left[key] = (left - 1, now)
        return 0.0

    def _left_now(self, key: Hashable, now: float) -> float:
        if key not in self._left:
            return self._most
        left, then = self._left[key]
        return min(self._most, left + (now - then) * self._per_second)

    def _forget_full(self, now: float) -> None:
        self._left = {
            key: kept for key, kept in self._left.items() if self._left_now(key, now) < self._most
        }
