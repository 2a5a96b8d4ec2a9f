"""The calendar, cut into days and into months, and how partitions of assets map to each other."""

from datetime import date, timedelta

import dagster as dg

from harvey_pipeline.resources import read_calendar, read_settings
from harvey_pipeline.tables.labels import GROWTH_DAYS, WINDOW_DAYS
from harvey_pipeline.transforms.months import months_of, next_month
from harvey_pipeline.transforms.parse import LATE_DAYS
from harvey_pipeline.warehouse import DayRange

CALENDAR = read_calendar(read_settings())

DAILY = dg.DailyPartitionsDefinition(
    start_date=str(CALENDAR.first),
    end_date=None if CALENDAR.last is None else str(CALENDAR.last + timedelta(days=1)),
)

MONTHLY = dg.MonthlyPartitionsDefinition(
    start_date=str(CALENDAR.first.replace(day=1)),
    end_date=None if CALENDAR.last is None else str(next_month(CALENDAR.last)),
    # The month that is not over is a partition too: it is refreshed as its days arrive.
    end_offset=1,
)


def _partitions_around(before: int, after: int) -> dg.TimeWindowPartitionMapping:
    return dg.TimeWindowPartitionMapping(
        start_offset=-before, end_offset=after, allow_nonexistent_upstream_partitions=True
    )


DROPS_OF_DAY = _partitions_around(0, LATE_DAYS)
"""The drops that can hold events of a day."""

TRAILING_WINDOW = _partitions_around(WINDOW_DAYS - 1, 0)
"""The 30 days that end on a day."""

DAY_AND_WINDOW_BEFORE = _partitions_around(WINDOW_DAYS, 0)
"""A day back to the day 30 days before it."""

TWO_WINDOWS = _partitions_around(2 * WINDOW_DAYS - 1, 0)
"""The 60 days that end on a day."""

TWO_GROWTH_WINDOWS = _partitions_around(2 * GROWTH_DAYS - 1, 0)
"""The 56 days that end on a day."""

GROWTH_WINDOW = _partitions_around(GROWTH_DAYS - 1, 0)
"""The 28 days that end on a day."""

# Offsets count partitions of the asset that reads: months.
DAYS_OF_MONTH = _partitions_around(0, 0)
"""The days of a calendar month."""

DAYS_OF_MONTH_AND_MONTH_BEFORE = _partitions_around(1, 0)
"""The days of a calendar month and of the one before it."""

RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"
PARTITION_TAG = "dagster/partition"


def range_tags(days: DayRange) -> dict[str, str]:
    """The tags that make a run materialise a range of days."""
    return {RANGE_START_TAG: str(days.first), RANGE_END_TAG: str(days.last)}


def months_touched(days: DayRange) -> DayRange:
    """The monthly partitions of a range of days, as the range of their keys: first days."""
    months = months_of(days.first, days.last)
    return DayRange(months[0], months[-1])


def days_of_tags(tags: dict[str, str]) -> DayRange | None:
    """The partition keys of a run, days or months, by its tags; None if the run has none."""
    day = tags.get(PARTITION_TAG)
    first, last = tags.get(RANGE_START_TAG, day), tags.get(RANGE_END_TAG, day)
    if first is None or last is None:
        return None
    return DayRange(date.fromisoformat(first), date.fromisoformat(last))
