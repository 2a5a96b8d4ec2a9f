"""Whether all days that a mart's windows hold were run before the mart was."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import polars as pl

from harvey_pipeline import landing
from harvey_pipeline.ingestion import bulk_dates
from harvey_pipeline.raw_store import RawStore
from harvey_pipeline.warehouse import Warehouse

_DAYS_NAMED: Final = 60


def length_of_history(raw_store: RawStore, days: Sequence[date]) -> int:
    """How many days there are from the first day of history to the last of some days."""
    first = min(days_of_history(raw_store), default=None)
    return 0 if first is None or not days else max(0, (days[-1] - first).days + 1)


def days_of_history(raw_store: RawStore) -> set[date]:
    """The days whose events the landing folder covers, from the calendar's start on."""
    files = landing.find_files(Path(raw_store.landing_dir), "events")
    covered = set(files.drops)
    exported = bulk_dates(files, Path(raw_store.root))
    if exported is not None:
        length = (exported.last - exported.first).days + 1
        covered |= {exported.first + timedelta(days=offset) for offset in range(length)}
    start = date.fromisoformat(raw_store.start_date)
    return {day for day in covered if day >= start}


def days_not_run(
    warehouse: Warehouse,
    raw_store: RawStore,
    days: Sequence[date],
    reads: Mapping[str, Sequence[int]],
) -> pl.DataFrame:
    """Days of history that a mart reads but that were not run.

    Args:
        warehouse: Knows which days were run.
        raw_store: Knows which days there are.
        days: The mart's days.
        reads: For each table that counts, how many days back from its own a day of the mart reads.

    Returns:
        One row per `date` and `table` with `missing_days`, their number, and `days_not_run`, the
        first of them.
    """
    history = days_of_history(raw_store)
    rows: list[tuple[date, str, int, str]] = []
    for table, offsets in reads.items():
        unwritten = history - warehouse.days_written(table)
        if not unwritten:
            continue
        for day in days:
            missing = sorted(
                other for back in offsets if (other := day - timedelta(days=back)) in unwritten
            )
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
