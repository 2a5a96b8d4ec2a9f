"""Days: ranges of them, months, days as filters, and long ranges as blocks."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl


@dataclass(frozen=True)
class DayRange:
    """Consecutive days, both ends included."""

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise ValueError(f"a range of days cannot end ({self.last}) before {self.first}")

    @property
    def days(self) -> list[date]:
        """Every day of the range, ascending."""
        length = (self.last - self.first).days + 1
        return [self.first + timedelta(days=offset) for offset in range(length)]

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first} to {self.last}"


def consecutive_days(days: Iterable[date]) -> list[DayRange]:
    """The days as ranges without a gap, ascending."""
    ranges: list[DayRange] = []
    for day in sorted(days):
        if ranges and day - ranges[-1].last == timedelta(days=1):
            ranges[-1] = DayRange(ranges[-1].first, day)
        else:
            ranges.append(DayRange(day, day))
    return ranges


def hull(ranges: Iterable[DayRange]) -> DayRange:
    """The days from the first to the last of some ranges, of which there has to be one."""
    some = list(ranges)
    return DayRange(min(one.first for one in some), max(one.last for one in some))


def is_dated(first: date, last: date, column: str = "date") -> pl.Expr:
    """Rows of the days from first to last.

    Scans of DuckDB and Parquet skip data by comparisons like these; by `is_between` a DuckDB scan
    reads the whole table.
    """
    return (pl.col(column) >= first) & (pl.col(column) <= last)


def blocks_of_days(days: Sequence[date], length: int) -> Iterator[Sequence[date]]:
    """The days, in order, at most `length` at a time."""
    for start in range(0, len(days), length):
        yield days[start : start + length]


def blocks_of_rows(
    days: Sequence[date], rows_per_day: Mapping[date, int], most: int
) -> Iterator[Sequence[date]]:
    """The days, in order, of at most so many rows at a time; a single day is never cut."""
    block: list[date] = []
    held = 0
    for day in days:
        rows = rows_per_day.get(day, 0)
        if block and held + rows > most:
            yield block
            block, held = [], 0
        block.append(day)
        held += rows
    if block:
        yield block


def months_of(first: date, last: date) -> list[date]:
    """The first days of the calendar months from that of `first` to that of `last`."""
    months = []
    month = first.replace(day=1)
    while month <= last:
        months.append(month)
        month = next_month(month)
    return months


def next_month(month: date) -> date:
    """The first day of the calendar month after that of a day."""
    return (month.replace(day=1) + timedelta(days=31)).replace(day=1)


def month_before(month: date) -> date:
    """The first day of the calendar month before that of a day."""
    return (month.replace(day=1) - timedelta(days=1)).replace(day=1)


def last_day(month: date) -> date:
    """The last day of a calendar month."""
    return next_month(month) - timedelta(days=1)
