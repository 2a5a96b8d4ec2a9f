"""Environment variables, read here and, but for the command line, set here and nowhere else."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

LANDING_DIR: Final = "HARVEY_LANDING_DIR"
WAREHOUSE: Final = "HARVEY_WAREHOUSE"
START_DATE: Final = "HARVEY_START_DATE"
END_DATE: Final = "HARVEY_END_DATE"
LOCK_TIMEOUT: Final = "HARVEY_LOCK_TIMEOUT_SECONDS"
DAGSTER_HOME: Final = "DAGSTER_HOME"
DAGSTER_EVENT_BATCH_SIZE: Final = "DAGSTER_EVENT_BATCH_SIZE"


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


def set_unless_given(name: str, value: str) -> None:
    """Set a variable for this process and those that it starts, unless the user has set it."""
    os.environ.setdefault(name, value)


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
