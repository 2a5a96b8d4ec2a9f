"""Settings, read from environment variables here and nowhere else, and what is made of them."""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

from harvey_pipeline import landing
from harvey_pipeline.ingestion import bulk_dates
from harvey_pipeline.landing import LandingError, SourceFiles
from harvey_pipeline.raw_store import RawStore
from harvey_pipeline.tables.labels import Source
from harvey_pipeline.warehouse import DayRange, Warehouse

logger = logging.getLogger(__name__)

LANDING_DIR: Final = "HARVEY_LANDING_DIR"
WAREHOUSE: Final = "HARVEY_WAREHOUSE"
START_DATE: Final = "HARVEY_START_DATE"
END_DATE: Final = "HARVEY_END_DATE"
LOCK_TIMEOUT: Final = "HARVEY_LOCK_TIMEOUT_SECONDS"
DAGSTER_HOME: Final = "DAGSTER_HOME"

_STILL_ARRIVING: Final = timedelta(days=31)
"""Drops younger than this mean that more are expected, so the calendar stays open."""


class SettingsError(Exception):
    """An environment variable or option whose value cannot be used."""


@dataclass(frozen=True)
class Settings:
    """Where things are and which days there are. Paths are relative to the working directory."""

    landing_dir: Path
    warehouse: Path
    start_date: date | None
    end_date: date | None
    lock_timeout_seconds: float

    @property
    def raw_dir(self) -> Path:
        """The raw layer's folder, beside the warehouse."""
        return self.warehouse.with_name(f"{self.warehouse.stem}.raw")


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings that the environment gives.

    Raises:
        SettingsError: A value is no date or number, or the calendar ends before it starts.
    """
    values = os.environ if environment is None else environment
    settings = Settings(
        landing_dir=Path(values.get(LANDING_DIR) or "data/landing"),
        warehouse=Path(values.get(WAREHOUSE) or "data/warehouse.duckdb"),
        start_date=_read_date(values, START_DATE),
        end_date=_read_date(values, END_DATE),
        lock_timeout_seconds=_read_seconds(values, LOCK_TIMEOUT, default=600.0),
    )
    first, last = settings.start_date, settings.end_date
    if first is not None and last is not None and last < first:
        raise SettingsError(f"{END_DATE} ({last}) lies before {START_DATE} ({first}).")
    return settings


def _read_date(values: Mapping[str, str], name: str) -> date | None:
    text = values.get(name)
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"{name} is {text!r}; give a day as YYYY-MM-DD.") from None


def _read_seconds(values: Mapping[str, str], name: str, default: float) -> float:
    text = values.get(name)
    if not text:
        return default
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not seconds >= 0:
        raise SettingsError(f"{name} is {text!r}; give a number of seconds.")
    return seconds


def last_whole_day() -> date:
    """Yesterday, UTC: the last day whose drops can be complete."""
    return datetime.now(UTC).date() - timedelta(days=1)


def days_in_landing(settings: Settings) -> DayRange | None:
    """From the first to the last day that the landing folder knows, whole days only.

    Raises:
        LandingError: The landing folder cannot be read.
    """
    found = _days_found(landing.find_all_files(settings.landing_dir), settings.raw_dir)
    first = max(found, default=None) and min(found)
    last = min(max(found, default=date.min), last_whole_day())
    if settings.start_date is not None and first is not None:
        first = max(first, settings.start_date)
    if settings.end_date is not None:
        last = min(last, settings.end_date)
    return None if first is None or last < first else DayRange(first, last)


def _days_found(files: Mapping[Source, SourceFiles], raw_dir: Path) -> set[date]:
    days = {day for one in files.values() for day in one.drops}
    exported = bulk_dates(files["events"], raw_dir)
    return days | ({exported.first, exported.last} if exported is not None else set())


@dataclass(frozen=True)
class Calendar:
    """The days of the pipeline; without `last` it is open and grows by a day every day."""

    first: date
    last: date | None


def read_calendar(settings: Settings) -> Calendar:
    """The calendar that settings and landing folder give.

    Without `HARVEY_START_DATE` it starts on the first day found in the landing folder. Without
    `HARVEY_END_DATE` it is open while drops still arrive, and ends with the last day found once
    the newest is a month old, so that a finished history shows no empty years.
    """
    try:
        found = days_in_landing(settings)
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


def build_resources(settings: Settings, calendar: Calendar) -> tuple[Warehouse, RawStore]:
    """The warehouse and the raw store of these settings."""
    warehouse = Warehouse(
        database=str(settings.warehouse), lock_timeout_seconds=settings.lock_timeout_seconds
    )
    raw_store = RawStore(
        root=str(settings.raw_dir),
        landing_dir=str(settings.landing_dir),
        start_date=str(calendar.first),
        warehouse=warehouse,
    )
    return warehouse, raw_store
