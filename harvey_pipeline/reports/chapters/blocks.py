"""What the chapters of the day and of the users share."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Final

import altair as alt
import polars as pl

from harvey_pipeline.engagement.tables.labels import WINDOW_DAYS
from harvey_pipeline.reports.explaining import COMPONENTS
from harvey_pipeline.reports.figures import Figures
from harvey_pipeline.reports.page import Block, Missing, chart_note

SUMMARY: Final = "marts.daily_event_summary"

SHOWN_DAYS: Final = 90
"""Days of charts over time, the report's included."""

COMPONENT_NAMES: Final = {one.weight: f"{one.noun}s" for one in COMPONENTS}
"""What people call the parts of the power-user score, in their order."""


def block_of(
    figures: Figures, title: str, tables: Sequence[str], make: Callable[[Figures], Block]
) -> Block:
    """What `make` gives, or that a table was not computed yet."""
    absent = [table for table in tables if table not in figures.tables]
    if absent:
        return Missing(title, f"No data for {title.lower()}: {absent[0]} was not computed yet.")
    return make(figures)


def bar_days() -> alt.X:
    """A horizontal axis of days, of the column `date`, on which a bar is as wide as its day."""
    return alt.X(
        "yearmonthdate(date):T",
        title="Day (UTC)",
        axis=alt.Axis(format="%d %b", labelOverlap=True),
    )


def day_before(figures: Figures, days: int = WINDOW_DAYS) -> date:
    """So many days before the day of the headline."""
    return figures.news_day - timedelta(days=days)


def incomplete_since(figures: Figures, first: date) -> pl.DataFrame:
    """The days since a day that are not complete."""
    return figures.incomplete_days.filter(pl.col("date") >= first)


def window_notes(figures: Figures, first: date, incomplete: pl.DataFrame) -> str:
    """What is incomplete in a chart of figures of 30 days: its days, and its first windows."""
    notes = [chart_note(len(incomplete))]
    begin = figures.rows(f"select min(date) as day from {SUMMARY} where is_covered")["day"][0]
    if begin is not None and first < begin + timedelta(days=WINDOW_DAYS - 1):
        full = begin + timedelta(days=WINDOW_DAYS - 1)
        notes.append(
            f"The data begins on {begin}: figures before {full} are of fewer than 30 days."
        )
    return " ".join(note for note in notes if note)


def total_of(df: pl.DataFrame, column: str = "users") -> int:
    """The sum of a column of counts."""
    return int(df[column].sum())
