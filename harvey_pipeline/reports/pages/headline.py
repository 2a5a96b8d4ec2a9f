"""What pages say of the day of their headline: where it is not the last one, how figures moved."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

import polars as pl

from harvey_pipeline.reports.figures import Figures
from harvey_pipeline.reports.page import Unit
from harvey_pipeline.reports.wording import change

COMPARED: Final = (7, 30)
"""How many days before the headline's the days lie with which it is compared."""

Earlier = Mapping[int, Mapping[str, Any]]
"""Rows of one firm or user by how many days before the headline's they are."""


def notes_of(figures: Figures) -> Sequence[str]:
    """Says that figures are of an earlier day, with the events of both; nothing where not."""
    news = figures.news_day
    if news == figures.day:
        return ()
    counts = figures.rows(
        "select date, total_events from marts.daily_event_summary where date in ($day, $news)",
        news=news,
    )
    events = {day: f"{count:,}" for day, count in counts.iter_rows()}
    return (
        f"{figures.day} has {events.get(figures.day, 'no')} events, which is unusual for its "
        f"weekday; {news} has {events[news]}. Figures are of {news}.",
    )


def rows_before(now: date, days: pl.DataFrame, key: str) -> Mapping[str, Earlier]:
    """The rows of the days that a headline is compared with, by key and days before.

    Args:
        now: The headline's day.
        days: Rows by `date` and key.
        key: Column of firms or users.
    """
    dates = {now - timedelta(days=back): back for back in COMPARED}
    found: dict[str, dict[int, Mapping[str, Any]]] = {}
    for row in days.filter(pl.col("date").is_in(list(dates))).iter_rows(named=True):
        found.setdefault(row[key], {})[dates[row["date"]]] = row
    return found


def changes_of(now: Mapping[str, Any], earlier: Earlier, column: str, unit: Unit) -> Iterator[str]:
    """How a figure moved since the days that it is compared with, as far as that is known.

    Args:
        now: The row of the headline's day.
        earlier: The rows of the days before, by how many days.
        column: The figure's column.
        unit: Its unit.
    """
    for back in COMPARED:
        before = earlier.get(back, {}).get(column)
        if before is not None and now[column] is not None:
            yield change(now[column], before, unit, back)
