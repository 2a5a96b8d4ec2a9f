"""The one calendar of everything daily, and how a day of one asset maps to days of another."""

from datetime import date, timedelta

import dagster as dg

from harvey_pipeline.resources import read_calendar, read_settings
from harvey_pipeline.tables import WINDOW_DAYS
from harvey_pipeline.transforms.parse import LATE_DAYS
from harvey_pipeline.warehouse import DayRange

CALENDAR = read_calendar(read_settings())

DAILY = dg.DailyPartitionsDefinition(
    start_date=str(CALENDAR.first),
    end_date=None if CALENDAR.last is None else str(CALENDAR.last + timedelta(days=1)),
)


def _days_around(before: int, after: int) -> dg.TimeWindowPartitionMapping:
    return dg.TimeWindowPartitionMapping(
        start_offset=-before, end_offset=after, allow_nonexistent_upstream_partitions=True
    )


DROPS_OF_DAY = _days_around(0, LATE_DAYS)
"""The drops that can hold events of a day."""

TRAILING_WINDOW = _days_around(WINDOW_DAYS - 1, 0)
"""The 30 days that end on a day."""

DAY_AND_WINDOW_BEFORE = _days_around(WINDOW_DAYS, 0)
"""A day back to the day 30 days before it."""

TWO_WINDOWS = _days_around(2 * WINDOW_DAYS - 1, 0)
"""The 60 days that end on a day."""

RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"
PARTITION_TAG = "dagster/partition"


def range_tags(days: DayRange) -> dict[str, str]:
    """The tags that make a run materialise a range of days."""
    return {RANGE_START_TAG: str(days.first), RANGE_END_TAG: str(days.last)}


def days_of_tags(tags: dict[str, str]) -> DayRange | None:
    """The days of a run, by its tags; None if the run has none."""
    day = tags.get(PARTITION_TAG)
    first, last = tags.get(RANGE_START_TAG, day), tags.get(RANGE_END_TAG, day)
    if first is None or last is None:
        return None
    return DayRange(date.fromisoformat(first), date.fromisoformat(last))
