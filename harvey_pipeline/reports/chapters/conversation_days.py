"""What the conversations' chapter shows: the day of its figures, and the days before it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from harvey_pipeline.conversations.tables.marts import PMF_DASHBOARD
from harvey_pipeline.reports.figures import Figures
from harvey_pipeline.reports.page import Figure
from harvey_pipeline.reports.wording import named

HISTORY: Final = 90
"""Days before the report's that charts over time go back."""

WEEK: Final = 7
GRID_ROWS: Final = 50
SEARCHABLE_FROM: Final = 15
"""Rows from which on a grid is searched."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Seen:
    """What is shown: the day of the headline figures, and the dashboard's days up to the report's.

    Args:
        day: The latest delivered day that no headline day is before.
        first: The first day that was ever run.
        boards: Rows of the dashboard, by day.
    """

    day: date
    first: date
    boards: Mapping[date, Row]

    @property
    def board(self) -> Row:
        """The dashboard's row of the day."""
        return self.boards[self.day]

    def before(self, days: int, window: int) -> Row | None:
        """The dashboard so many days before, if its window was delivered and has not just begun."""
        then = self.day - timedelta(days=days)
        row = self.boards.get(then)
        is_whole = then - timedelta(days=window - 1) >= self.first
        return row if row is not None and row["is_covered"] and is_whole else None


def see(figures: Figures) -> Seen | None:
    """The days that there are; None where nothing was delivered."""
    found = figures.rows(
        f"select * from {PMF_DASHBOARD} where date between $first and $day order by date",
        first=figures.back(HISTORY),
    )
    boards = {row["date"]: row for row in found.iter_rows(named=True)}
    covered = [day for day, row in boards.items() if row["is_covered"]]
    if not covered:
        return None
    day = max((one for one in covered if one <= figures.news_day), default=max(covered))
    [first] = figures.rows(f"select min(date) as day from {PMF_DASHBOARD}")["day"]
    return Seen(day, first, boards)


def of_day(figures: Figures, seen: Seen, query: str, **parameters: Any) -> list[dict[str, Any]]:
    """Rows of a query in which `$shown` is the day of the headline figures."""
    return figures.rows(query, shown=seen.day, **parameters).to_dicts()


def in_words(name: str) -> str:
    """A name such as `contract_review` as it is read."""
    return named(name.replace("_", " "))


def percent(value: float | None) -> str:
    """A percentage as it is written in a sentence."""
    return str(Figure(value, "percent"))
