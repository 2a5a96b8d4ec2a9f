"""The calendar, cut into days and into months, and the days of a run by its tags."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Final

import dagster as dg

from harvey_pipeline.graph.calendar import Calendar
from harvey_pipeline.warehouse.days import DayRange, months_of, next_month
from harvey_pipeline.warehouse.table import Table

RANGE_START_TAG: Final = "dagster/asset_partition_range_start"
RANGE_END_TAG: Final = "dagster/asset_partition_range_end"
PARTITION_TAG: Final = "dagster/partition"


@dataclass(frozen=True)
class Partitions:
    """The two partitions definitions of a calendar: one for everything daily, one for months.

    `deadline_hour` is the hour of the day, UTC, by which the day before is to be there.
    """

    calendar: Calendar
    deadline_hour: int = 12

    def freshness(self, table: Table) -> dg.FreshnessPolicy | None:
        """When a table counts as late; never by months, and where the calendar is over."""
        return None if table.is_monthly or self.calendar.last is not None else self._by_hour

    @cached_property
    def _by_hour(self) -> dg.FreshnessPolicy:
        """Made once: Dagster tries a thousand days of the hour to see that it fits."""
        hour = min(max(self.deadline_hour, 1), 23)
        return dg.FreshnessPolicy.cron(
            deadline_cron=f"0 {hour} * * *", lower_bound_delta=timedelta(hours=hour)
        )

    @cached_property
    def daily(self) -> dg.DailyPartitionsDefinition:
        first, last = self.calendar.first, self.calendar.last
        return dg.DailyPartitionsDefinition(
            start_date=str(first), end_date=None if last is None else str(last + timedelta(days=1))
        )

    @cached_property
    def monthly(self) -> dg.MonthlyPartitionsDefinition:
        first, last = self.calendar.first, self.calendar.last
        return dg.MonthlyPartitionsDefinition(
            start_date=str(first.replace(day=1)),
            end_date=None if last is None else str(next_month(last)),
            # The month that is not over is a partition too: it is refreshed as its days arrive.
            end_offset=1,
        )


def range_tags(days: DayRange) -> dict[str, str]:
    """The tags that make a run materialise a range of days."""
    return {RANGE_START_TAG: str(days.first), RANGE_END_TAG: str(days.last)}


def months_touched(days: DayRange) -> DayRange:
    """The monthly partitions of a range of days, as the range of their keys: first days."""
    months = months_of(days.first, days.last)
    return DayRange(months[0], months[-1])


def days_of_tags(tags: Mapping[str, str]) -> DayRange | None:
    """The partition keys of a run, days or months, by its tags; None if the run has none."""
    day = tags.get(PARTITION_TAG)
    first, last = tags.get(RANGE_START_TAG, day), tags.get(RANGE_END_TAG, day)
    if first is None or last is None:
        return None
    return DayRange(date.fromisoformat(first), date.fromisoformat(last))
