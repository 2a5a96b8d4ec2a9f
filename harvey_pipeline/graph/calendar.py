"""The days that there are: out of the settings and what lies in the landing folder."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from harvey_pipeline.landing.coverage import days_found, refuse_stray_dates
from harvey_pipeline.landing.files import find_all_files
from harvey_pipeline.landing.places import landing_place
from harvey_pipeline.landing.records.contract import LandingError
from harvey_pipeline.landing.source import Source
from harvey_pipeline.settings import Settings
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.warehouse import Warehouse

logger = logging.getLogger(__name__)

_STILL_ARRIVING: Final = timedelta(days=31)
"""Drops younger than this mean that more are expected, so the calendar stays open."""


@dataclass(frozen=True)
class Calendar:
    """The days of the pipeline; without `last` it is open and grows by a day every day."""

    first: date
    last: date | None

    def __contains__(self, day: date) -> bool:
        return self.first <= day and (self.last is None or day <= self.last)


def last_whole_day() -> date:
    """Yesterday, UTC: the last day whose drops can be complete."""
    return datetime.now(UTC).date() - timedelta(days=1)


def days_in_landing(settings: Settings, sources: Sequence[Source]) -> DayRange | None:
    """From the first to the last day that the landing folder knows, whole days only.

    Raises:
        LandingError: The landing folder cannot be read, or the first day of the calendar is not
            set and a few odd dates would set it.
    """
    files = find_all_files(landing_place(settings.landing_dir), sources)
    if settings.start_date is None:
        refuse_stray_dates(files, settings.raw_dir)
    found = days_found(files.values(), settings.raw_dir)
    first = max(found, default=None) and min(found)
    last = min(max(found, default=date.min), last_whole_day())
    if settings.start_date is not None and first is not None:
        first = max(first, settings.start_date)
    if settings.end_date is not None:
        last = min(last, settings.end_date)
    return None if first is None or last < first else DayRange(first, last)


def days_to_run(
    found: DayRange | None, calendar: Calendar, warehouse: Warehouse
) -> DayRange | None:
    """The days that there are to compute: those found, and those ever run; None without any.

    Raises:
        StartMovedError: The calendar starts after days that were run.
        WarehouseError: The warehouse stayed locked.
    """
    if not warehouse.path.exists():
        return found
    computed = warehouse.state().computed
    loaded = {day for name, days in computed.items() if name.startswith(RAW) for day in days}
    if loaded and min(loaded) < calendar.first:
        raise StartMovedError(
            f"{warehouse.path} holds days from {min(loaded)} on, and the calendar starts "
            f"{calendar.first}: what is computed anew would lack the days before. Set "
            f"HARVEY_START_DATE (--start-date) to {min(loaded)}, or compute into another warehouse."
        )
    days = sorted({day for days in computed.values() for day in days if day in calendar})
    if not days:
        return found
    ends = [days[0], days[-1], *([found.first, found.last] if found else [])]
    return DayRange(min(ends), max(ends))


RAW: Final = "raw."
"""Begins the names of the tables that are partitioned by the day of the drop."""


class StartMovedError(Exception):
    """The calendar starts after days that were run; the message says what to do."""


def read_calendar(settings: Settings, sources: Sequence[Source]) -> Calendar:
    """The calendar that settings and landing folder give.

    Without `HARVEY_START_DATE` it starts on the first day found in the landing folder. Without
    `HARVEY_END_DATE` it is open while drops still arrive, and ends with the last day found once
    the newest is a month old, so that a finished history shows no empty years.
    """
    try:
        found = days_in_landing(settings, sources)
    except LandingError as error:
        # The graph must load so that a run can report this properly.
        logger.warning("the landing folder cannot be read: %s", error)
        found = None
    yesterday = last_whole_day()
    first = settings.start_date or (found.first if found else yesterday)
    last = settings.end_date
    if last is None and found is not None and found.last < yesterday - _STILL_ARRIVING:
        last = found.last
    return Calendar(min(first, last or first), last)
