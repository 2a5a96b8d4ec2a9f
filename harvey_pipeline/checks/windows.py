"""Checks that every windowed table gets: whole windows, and figures that nothing has overtaken."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Final

import polars as pl

from harvey_pipeline.checks.report import WARN, Check
from harvey_pipeline.graph.assets import DaysRead, Reads, TableAsset
from harvey_pipeline.graph.due import Graph, find_overtaken
from harvey_pipeline.landing.coverage import days_covered
from harvey_pipeline.landing.files import find_files
from harvey_pipeline.landing.raw_store import RawStore
from harvey_pipeline.landing.source import Source
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline.warehouse.warehouse import Warehouse

_DAYS_NAMED: Final = 60
_LATEST: Final = 60
"""How many of a table's latest partitions are looked at for stale ones."""

WINDOW_IS_COMPLETE: Final = Check(
    "window_is_complete",
    "All days of history that a partition rests on were run before it.",
    WARN,
    advice="They are due: `harvey run` computes them, and then these days again.",
)
IS_CURRENT: Final = Check(
    "figures_are_current",
    "Nothing that one of the latest 60 partitions rests on was computed anew after it.",
    WARN,
    advice="They are due: `harvey run` computes them again.",
)


def window_checks(asset: TableAsset) -> tuple[Check, ...]:
    """The checks that an asset's windows ask for."""
    if not has_window(asset):
        return ()
    return (WINDOW_IS_COMPLETE, IS_CURRENT) if days_read(asset) else (IS_CURRENT,)


def has_window(asset: TableAsset) -> bool:
    """Whether a partition rests on others than the one of the same day."""
    reads_months = asset.table.is_monthly and asset.table.day_column is not None
    return reads_months or any(one.has_window for one in asset.upstream)


def days_read(asset: TableAsset) -> Mapping[str, DaysRead | None]:
    """Which days of which table a partition rests on, looking back; None: all up to its own."""
    found: dict[str, DaysRead | None] = {}
    for one in asset.inputs.values():
        if asset.table.is_monthly and asset.table.day_column is not None:
            found[one.table] = _month_reader(one)
        elif one.before:
            found[one.table] = _day_reader(one)
    return found | dict(asset.windows)


def _day_reader(one: Reads) -> DaysRead:
    return lambda day: one.days_of(day).days


def _month_reader(one: Reads) -> DaysRead:
    return lambda month: one.days_of_month(month).days


def days_of_history(raw_store: RawStore, sources: Iterable[Source]) -> set[date]:
    """The days that the landing folder covers by these sources, from the calendar's start on."""
    covered: set[date] = set()
    for source in sources:
        files = find_files(raw_store.landing, source)
        start = date.fromisoformat(raw_store.start_date)
        covered |= days_covered(files, Path(raw_store.root), start)
    return covered


def days_not_run(
    warehouse: Warehouse,
    history: Collection[date],
    days: Sequence[date],
    reads: Mapping[Table, DaysRead | None],
    start: date,
) -> pl.DataFrame:
    """Days of history that a table rests on but that were not run.

    Args:
        warehouse: Knows which days were run.
        history: The days that there are.
        days: The table's days, or months by their first days.
        reads: For each table that counts, which of its days a day rests on; None: all up to it.
        start: First day of the calendar.

    Returns:
        One row per `date` and `table` with `missing_days`, their number, and `days_not_run`, the
        first of them.
    """
    rows: list[tuple[date, str, int, str]] = []
    for table, read in reads.items():
        unwritten = set(history) - warehouse.days_written(table)
        if not unwritten:
            continue
        for day in days:
            rested_on = read(day) if read is not None else _all_until(start, day)
            missing = sorted(unwritten.intersection(rested_on))
            if missing:
                named = ", ".join(map(str, missing[:_DAYS_NAMED]))
                rows.append((day, table.name, len(missing), named))
    schema = {
        "date": pl.Date,
        "table": pl.String,
        "missing_days": pl.Int64,
        "days_not_run": pl.String,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def _all_until(start: date, day: date) -> list[date]:
    return DayRange(start, day).days if start <= day else []


def stale_partitions(
    graph: Graph, table: Table, tables: Mapping[str, Table], warehouse: Warehouse
) -> pl.DataFrame:
    """Partitions of a table, of its latest 60, that are out of date.

    Something that they read was committed after them, or is out of date itself: where activity is,
    so is whatever was computed from it.

    Args:
        graph: What computes the table, and what that rests on.
        table: The table.
        tables: All tables by name.
        warehouse: Knows what was committed when.

    Returns:
        One row per `date`, ascending (a month by its first day), with the `reason`.
    """
    found = find_overtaken(graph, table, _LATEST, tables, warehouse)
    rows = [(day, one.reason) for day, one in sorted(found.items())]
    return pl.DataFrame(rows, schema={"date": pl.Date, "reason": pl.String}, orient="row")
