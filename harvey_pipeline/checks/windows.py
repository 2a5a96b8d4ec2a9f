"""Whether all days that a mart's windows hold were run before the mart was."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import polars as pl

from harvey_pipeline import landing
from harvey_pipeline.ingestion import bulk_dates
from harvey_pipeline.raw_store import RawStore
from harvey_pipeline.warehouse import DayRange, Warehouse

_DAYS_NAMED: Final = 60


DaysRead = Callable[[date], Iterable[date]]
"""Which days a day, or a month by its first day, of a mart reads."""


def days_back(offsets: Iterable[int]) -> DaysRead:
    """The days so many days back."""
    held = tuple(offsets)
    return lambda day: (day - timedelta(days=back) for back in held)


def all_days_until(raw_store: RawStore) -> DaysRead:
    """All days of the calendar up to a day."""
    start = date.fromisoformat(raw_store.start_date)
    return lambda day: DayRange(start, day).days if start <= day else ()


def days_of_history(raw_store: RawStore) -> set[date]:
    """The days whose events the landing folder covers, from the calendar's start on."""
    files = landing.find_files(Path(raw_store.landing_dir), "events")
    covered = set(files.drops)
    exported = bulk_dates(files, Path(raw_store.root))
    if exported is not None:
        covered |= set(exported.days)
    start = date.fromisoformat(raw_store.start_date)
    return {day for day in covered if day >= start}


def days_not_run(
    warehouse: Warehouse,
    raw_store: RawStore,
    days: Sequence[date],
    reads: Mapping[str, DaysRead],
) -> pl.DataFrame:
    """Days of history that a mart reads but that were not run.

    Args:
        warehouse: Knows which days were run.
        raw_store: Knows which days there are.
        days: The mart's days.
        reads: For each table that counts, which of its days a day of the mart reads.

    Returns:
        One row per `date` and `table` with `missing_days`, their number, and `days_not_run`, the
        first of them.
    """
    history = days_of_history(raw_store)
    rows: list[tuple[date, str, int, str]] = []
    for table, days_read in reads.items():
        unwritten = history - warehouse.days_written(table)
        if not unwritten:
            continue
        for day in days:
            missing = sorted(unwritten.intersection(days_read(day)))
            if missing:
                named = ", ".join(map(str, missing[:_DAYS_NAMED]))
                rows.append((day, table, len(missing), named))
    schema = {
        "date": pl.Date,
        "table": pl.String,
        "missing_days": pl.Int64,
        "days_not_run": pl.String,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")
