"""Turns: how many at once, how fast they come back, and that keys do not share them."""

import pytest

from harvey_pipeline.service import rate_limit
from harvey_pipeline.service.rate_limit import TurnBuckets


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_turns_are_as_many_at_once_as_in_a_second_and_come_back_one_by_one() -> None:
    clock = Clock()
    buckets = TurnBuckets(4, clock)
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 0]
    assert buckets.take("a") == 0.25
    clock.now = 0.125
    assert buckets.take("a") == 0.125
    clock.now = 0.25
    assert buckets.take("a") == 0
    assert buckets.take("a") == 0.25
    # However long nobody asks, no more than a second's turns are there at once.
    clock.now = 1000.0
    assert [buckets.take("a") for _ in range(5)] == [0, 0, 0, 0, 0.25]


def test_each_key_has_turns_of_its_own() -> None:
    buckets = TurnBuckets(1, Clock())
    assert [buckets.take(key) for key in ("a", "b", "a", "b")] == [0, 0, 1, 1]


def test_full_buckets_are_forgotten_and_others_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "_BUCKETS", 3)
    clock = Clock()
    buckets = TurnBuckets(2, clock)
    for key in ("a", "b", "c"):
        buckets.take(key)
    clock.now = 0.5
    for _ in range(2):
        buckets.take("b")
    assert buckets.take("d") == 0
    assert set(buckets._left) == {"b", "d"}
    assert buckets.take("b") == 0.5
