"""Days as filters, and long ranges of days as blocks."""

from collections.abc import Iterator, Sequence
from datetime import date

import polars as pl


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
