"""Figures of the window that ends on a day, for many days at once, from what changes between them.

A row counts in the windows of its own day and of those after it, as long as the window is; then it
leaves. So a window's sums are running totals of changes, `+` where a row enters and `-` where it
leaves, and so are numbers of distinct users: a user enters with the first row of a window, and
leaves after the last. Memory depends on the rows read and on groups x days, never on rows x days.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Final

import polars as pl

from harvey_pipeline.conversations.transforms.numbering import numbered
from harvey_pipeline.warehouse.days import blocks_of_days, is_dated

BLOCK_DAYS: Final = 30
"""Days told at a time: with their windows twice as many are read."""


def blocks(days: Sequence[date]) -> Iterator[Sequence[date]]:
    """The days in order, as many together as are told at a time."""
    return blocks_of_days(days, BLOCK_DAYS)


def rows_of_windows(rows: pl.LazyFrame, days: Sequence[date], length: int) -> pl.LazyFrame:
    """The rows in the windows, of so many days, that end on some consecutive days."""
    return rows.filter(is_dated(days[0] - timedelta(days=length - 1), days[-1]))


def sum_windows(
    rows: pl.LazyFrame,
    sums: Sequence[str],
    days: Sequence[date],
    length: int,
    by: Sequence[str] = (),
) -> pl.LazyFrame:
    """One row per day and group met: sums of whole numbers over the window that ends on the day.

    Args:
        rows: Rows with a `date`, at least those of the windows.
        sums: The columns to add up.
        days: Consecutive days, ascending.
        length: Days in a window.
        by: What makes a group; without it there is one row per day.
    """
    changes = _enter_and_leave(rows_of_windows(rows, days, length), sums, length, by)
    return total(changes, sums, days, by)


def count_windows(
    rows: pl.LazyFrame,
    entity: str,
    days: Sequence[date],
    length: int,
    by: Sequence[str] = (),
) -> pl.LazyFrame:
    """One row per day and group met: `number`, the distinct values of `entity` in the window.

    The arguments are those of `sum_windows`, `entity` is the column of which values are counted.
    """
    seen = (
        rows_of_windows(rows, days, length)
        .select("date", *map(numbered, by), numbered(entity).to_physical())
        .unique()
        .sort(*(pl.col(name).to_physical() for name in by), entity, "date")
    )
    key = [*by, entity]
    is_same = pl.all_horizontal(pl.col(name) == pl.col(name).shift(1) for name in key)
    days_since = (pl.col("date") - pl.col("date").shift(1)).dt.total_days()
    # Whoever comes back on the day of leaving, or before, has never gone.
    enters = ~(is_same & (days_since <= length)).fill_null(value=False)
    spans = seen.with_columns(enters=enters).with_columns(
        leaves=pl.col("enters").shift(-1, fill_value=True)
    )
    one = pl.lit(1, pl.Int64)
    changes = pl.concat(
        [
            spans.filter("enters").select("date", *by, number=one),
            spans.filter("leaves").select(
                pl.col("date") + pl.duration(days=length), *by, number=-one
            ),
        ]
    )
    summed = changes.group_by("date", *by).agg(pl.col("number").sum())
    return total(
        summed.with_columns(pl.col(name).cast(pl.String) for name in by), ["number"], days, by
    )


def count_single(
    rows: pl.LazyFrame, entity: str, sums: str, days: Sequence[date], length: int
) -> pl.LazyFrame:
    """One row per day: `number`, the values of `entity` whose sum over the window is one."""
    numbers = rows_of_windows(rows, days, length).with_columns(numbered(entity).to_physical())
    changes = _enter_and_leave(numbers, [sums], length, [entity])
    holding = count_while(changes.rename({sums: "number"}), [entity], pl.col("number") == 1)
    return total(holding, ["number"], days)


def count_while(changes: pl.LazyFrame, key: Sequence[str], holds: pl.Expr) -> pl.LazyFrame:
    """Changes of whether something holds for a key: `number` 1 where it begins, -1 where it ends.

    Args:
        changes: Changes of `number` by `date` and key.
        key: Of what the running total is taken.
        holds: A condition on the running total `number`.
    """
    return (
        changes.group_by(*key, "date")
        .agg(pl.col("number").sum())
        .sort(*key, "date")
        .with_columns(pl.col("number").cum_sum().over(key))
        .with_columns(holds.cast(pl.Int64).alias("number"))
        .with_columns(pl.col("number") - pl.col("number").shift(1, fill_value=0).over(key))
        .filter(pl.col("number") != 0)
    )


def total(
    changes: pl.LazyFrame, sums: Sequence[str], days: Sequence[date], by: Sequence[str] = ()
) -> pl.LazyFrame:
    """One row per day and group met: the running totals of changes up to the day.

    Args:
        changes: What changes on a `date`, of any dates; those after the days do not matter.
        sums: The columns that change.
        days: Consecutive days, ascending.
        by: What makes a group; without it there is one row per day.
    """
    calendar = pl.LazyFrame({"date": list(days)}, schema={"date": pl.Date})
    known = (
        changes.filter(pl.col("date") <= days[-1])
        .with_columns(date=pl.max_horizontal("date", pl.lit(days[0])))
        .group_by("date", *by)
        .agg(pl.col(sums).sum())
    )
    if not by:
        return (
            calendar.join(known, on="date", how="left")
            .sort("date")
            .with_columns(pl.col(sums).fill_null(0).cum_sum())
        )
    grid = known.select(by).unique().join(calendar, how="cross")
    return (
        grid.join(known, on=["date", *by], how="left")
        .sort(*by, "date")
        .with_columns(pl.col(sums).fill_null(0).cum_sum().over(by))
        .select("date", *by, *sums)
    )


def _enter_and_leave(
    rows: pl.LazyFrame, sums: Sequence[str], length: int, by: Sequence[str] | None = None
) -> pl.LazyFrame:
    """Changes of sums: what enters on a date, and leaves after so many days."""
    entering = rows if by is None else rows.group_by("date", *by).agg(pl.col(sums).sum())
    leaving = entering.with_columns(pl.col("date") + pl.duration(days=length), -pl.col(sums))
    return pl.concat([entering, leaving])
