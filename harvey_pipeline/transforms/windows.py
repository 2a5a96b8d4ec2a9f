"""Trailing windows: what each user did for each firm in the 30 days that end on a day.

The window of one day differs from that of the day before only by the day that enters and the day
that leaves. So the sums are held as one dense row per (user, firm) and carried from day to day;
the dates on which a pair was active are held as one bit a day. Memory depends on the number of
pairs and the length of the window, never on the number of days asked for.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import polars as pl

from harvey_pipeline.tables import WINDOW_DAYS
from harvey_pipeline.transforms.days import blocks_of_days, is_dated

SUMS: Final = (
    "queries",
    "assistant_queries",
    "vault_queries",
    "workflow_queries",
    "documents",
    "feedback_hundredths",
    "feedback_count",
)
"""Columns that add up over a window. `feedback_hundredths` keeps sums of scores exact."""

_READ_DAYS: Final = 8
"""Days of activity read at a time."""

_KEY: Final = ["user_id", "firm_id"]
_DAY_BITS: Final = 2**WINDOW_DAYS - 1


@dataclass(frozen=True)
class Window:
    """The trailing window of one day.

    `pairs`: one row per (`user_id`, `firm_id`) active in the window: the sums asked for, and
    `active_dates` (bit k is set if the pair was active k days before the day).
    `today`: one row per (`user_id`, `firm_id`) active on the day itself: all of `SUMS`.
    """

    day: date
    pairs: pl.DataFrame
    today: pl.DataFrame


def trailing_windows(
    activity: pl.LazyFrame, days: Sequence[date], sums: Sequence[str] = SUMS
) -> Iterator[Window]:
    """The window of each day, in order.

    Args:
        activity: `core.user_daily_activity`, at least for the windows of the days asked for.
        days: Consecutive days, ascending.
        sums: Which of the `SUMS` to add up.
    """
    if not days:
        return
    yesterday = days[0] - timedelta(days=1)
    rows = _read(activity, days[0] - timedelta(days=WINDOW_DAYS - 1), yesterday)
    pairs, rows = _code_pairs(None, rows)
    state = _sum_up(rows, pairs.height, sums, yesterday)
    held = deque(_by_day(rows, _days_until(yesterday, WINDOW_DAYS - 1)))
    for block in blocks_of_days(days, _READ_DAYS):
        pairs, rows = _code_pairs(pairs, _read(activity, block[0], block[-1]))
        state = state.select(pl.all().extend_constant(0, pairs.height - state.height))
        for day, entering in zip(block, _by_day(rows, block), strict=True):
            held.append(entering)
            leaving = held.popleft() if len(held) > WINDOW_DAYS else None
            state = _advance(state, sums, entering, leaving)
            window = pl.concat([pairs, state], how="horizontal")
            yield Window(day, window.filter(pl.col("active_dates") != 0), entering)


def _days_until(last: date, length: int) -> list[date]:
    return [last - timedelta(days=before) for before in reversed(range(length))]


def _by_day(rows: pl.DataFrame, days: Sequence[date]) -> list[pl.DataFrame]:
    parts = rows.partition_by("date", as_dict=True, include_key=False)
    return [parts.get((day,), rows.clear().drop("date")) for day in days]


def _sum_up(rows: pl.DataFrame, height: int, sums: Sequence[str], last: date) -> pl.DataFrame:
    """The state after `last`, from all rows of the days before at once."""
    days_before = (pl.lit(last) - pl.col("date")).dt.total_days()
    summed = rows.group_by("pair").agg(
        pl.col(sums).sum(),
        active_dates=(pl.lit(1, dtype=pl.Int64) * 2**days_before).cast(pl.Int64).sum(),
    )
    return pl.DataFrame(
        pl.zeros(height, dtype=pl.Int64, eager=True)
        .scatter(summed["pair"], summed[name])
        .alias(name)
        for name in (*sums, "active_dates")
    )


def _read(activity: pl.LazyFrame, first: date, last: date) -> pl.DataFrame:
    return (
        activity.filter(is_dated(first, last))
        .with_columns(feedback_hundredths=to_hundredths(pl.col("feedback_sum")))
        .select("date", *_KEY, *SUMS)
        .collect(engine="streaming")
    )


def to_hundredths(score: pl.Expr) -> pl.Expr:
    """Scores, or sums of them, as whole hundredths, so that adding them up is exact."""
    return (score * 100).round().cast(pl.Int64)


def from_hundredths(hundredths: pl.Expr) -> pl.Expr:
    """Whole hundredths as a score: the double that is nearest to it.

    Dividing a column by a constant, polars multiplies by 1/100, which is off by the last bit for
    one value in eight; rounding mends that.
    """
    return (hundredths / 100).round(2)


def _code_pairs(
    pairs: pl.DataFrame | None, rows: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give each (user, firm) a row number that it keeps; new pairs go to the end."""
    if pairs is None:
        pairs = rows.select(_KEY).unique(maintain_order=True)
    coded = rows.join(pairs.with_row_index("pair"), on=_KEY, how="left")
    new = coded.filter(pl.col("pair").is_null()).select(_KEY).unique(maintain_order=True)
    if new.is_empty():
        return pairs, coded
    pairs = pl.concat([pairs, new])
    return pairs, rows.join(pairs.with_row_index("pair"), on=_KEY, how="left")


def _advance(
    state: pl.DataFrame,
    sums: Sequence[str],
    entering: pl.DataFrame,
    leaving: pl.DataFrame | None,
) -> pl.DataFrame:
    """The state after one more day: plus what enters, less what leaves, dates shifted by one."""
    columns: list[pl.Series] = []
    for name in sums:
        # `scatter` writes in place; the window handed out before keeps its own values.
        column = state[name].clone()
        for rows, sign in ((entering, 1), (leaving, -1)):
            if rows is not None and not rows.is_empty():
                at = rows["pair"]
                column = column.scatter(at, column.gather(at) + rows[name] * sign)
        columns.append(column)
    dates = state["active_dates"] * 2
    dates = dates.scatter(entering["pair"], dates.gather(entering["pair"]) + 1)
    columns.append(pl.select(dates & pl.lit(_DAY_BITS, dtype=pl.Int64)).to_series())
    return pl.DataFrame(columns)
