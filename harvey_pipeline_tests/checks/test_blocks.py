"""Whole days at a time."""

from datetime import timedelta

from harvey_pipeline.checks.blocks import blocks_of_days
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline_tests.places import (
    FIRST,
)


def test_blocks_hold_whole_days_and_lose_none() -> None:
    days = [FIRST + timedelta(days=offset) for offset in range(5)]
    rows = dict(zip(days, (3, 4, 9, 0, 2), strict=True))
    assert list(blocks_of_days(days, rows, block_rows=8)) == [
        DayRange(days[0], days[1]),
        DayRange(days[2], days[2]),
        DayRange(days[3], days[4]),
    ]
    assert list(blocks_of_days([], rows)) == []
