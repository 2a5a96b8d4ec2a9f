"""Trailing windows: what each user did for each firm in the 30 days that end on a day.

The window of one day differs from that of the day before only by the day that enters and the day
that leaves. So the sums are held as one dense row per (user, firm) and carried from day to day;
the dates on which a pair was active are held as one bit a day. Memory depends on the number of
pairs and the length of the window, never on the number of days asked for.

Where only the dates count, users and firms are followed each for themselves (`trailing_dates`). A
single window, such as a calendar month, is summed at once (`sum_window`).
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
    pairs, rows = _number(_none_known(_KEY), rows, _KEY)
    state = _sum_up(rows, pairs.height, sums, yesterday)
    held = deque(_by_day(rows, _days_until(yesterday, WINDOW_DAYS - 1)))
    for block in blocks_of_days(days, _READ_DAYS):
        pairs, rows = _number(pairs, _read(activity, block[0], block[-1]), _KEY)
        state = state.select(pl.all().extend_constant(0, pairs.height - state.height))
        for day, entering in zip(block, _by_day(rows, block), strict=True):
            held.append(entering)
            leaving = held.popleft() if len(held) > WINDOW_DAYS else None
            state = _advance(state, sums, entering, leaving)
            window = pl.concat([pairs, state], how="horizontal")
            yield Window(day, window.filter(pl.col("active_dates") != 0), entering)


def trailing_dates(
    activity: pl.LazyFrame, days: Sequence[date], keys: Sequence[str], length: int
) -> Iterator[tuple[date, dict[str, pl.DataFrame]]]:
    """On which of the `length` days that end on a day each user, or firm, was active; day by day.

    Args:
        activity: `core.user_daily_activity`, at least for the windows of the days asked for.
        days: Consecutive days, ascending.
        keys: Whose dates: `user_id`, `firm_id`.
        length: Days in a window, at most 62: one bit each.

    Yields:
        Each day with one frame per key, of one row per user (or firm) met so far: the key and
        `active_dates` (bit k is set if it was active k days before the day, 0 if it was not active
        in the window). A row keeps its place from day to day; new ones go to the end.
    """
    if not days:
        return
    bits = pl.lit(2**length - 1, dtype=pl.Int64)
    known = {key: _none_known([key]) for key in keys}
    dates = {key: pl.Series(dtype=pl.Int64) for key in keys}
    first = days[0] - timedelta(days=length - 1)
    warming_up = [first + timedelta(days=offset) for offset in range(length - 1)]
    for block in blocks_of_days([*warming_up, *days], _READ_DAYS):
        rows = (
            activity.filter(is_dated(block[0], block[-1]))
            .select("date", *keys)
            .collect(engine="streaming")
        )
        entering = {}
        for key in keys:
            known[key], numbered = _number(known[key], rows.select("date", key), [key])
            dates[key] = dates[key].extend_constant(0, known[key].height - len(dates[key]))
            entering[key] = _by_day(numbered.select("date", "number"), block)
        for place, day in enumerate(block):
            for key in keys:
                shifted = pl.select((dates[key] * 2) & bits).to_series()
                active = entering[key][place]["number"]
                dates[key] = shifted.scatter(active, shifted.gather(active) | 1)
            if day >= days[0]:
                yield day, {key: known[key].with_columns(active_dates=dates[key]) for key in keys}


def sum_window(activity: pl.LazyFrame, first: date, last: date) -> pl.DataFrame:
    """One row per (`user_id`, `firm_id`) active from first to last: the `pairs` of a `Window`.

    Args:
        activity: `core.user_daily_activity`, at least for those days.
        first: First day.
        last: Last day, at most 61 days later.
    """
    return (
        _read_lazily(activity, first, last)
        .group_by(_KEY)
        .agg(pl.col(SUMS).sum(), _active_dates(last))
        .collect(engine="streaming")
    )


def _active_dates(last: date) -> pl.Expr:
    """The dates of a group's rows as bits; rows of a pair never share a date."""
    days_before = (pl.lit(last) - pl.col("date")).dt.total_days()
    return (pl.lit(2, dtype=pl.Int64) ** days_before).sum().alias("active_dates")


def _days_until(last: date, length: int) -> list[date]:
    return [last - timedelta(days=before) for before in reversed(range(length))]


def _by_day(rows: pl.DataFrame, days: Sequence[date]) -> list[pl.DataFrame]:
    parts = rows.partition_by("date", as_dict=True, include_key=False)
    return [parts.get((day,), rows.clear().drop("date")) for day in days]


def _sum_up(rows: pl.DataFrame, height: int, sums: Sequence[str], last: date) -> pl.DataFrame:
    """The state after `last`, from all rows of the days before at once."""
    summed = rows.group_by("number").agg(pl.col(sums).sum(), _active_dates(last))
    return pl.DataFrame(
        pl.zeros(height, dtype=pl.Int64, eager=True)
        .scatter(summed["number"], summed[name])
        .alias(name)
        for name in (*sums, "active_dates")
    )


def _read(activity: pl.LazyFrame, first: date, last: date) -> pl.DataFrame:
    return _read_lazily(activity, first, last).collect(engine="streaming")


def _read_lazily(activity: pl.LazyFrame, first: date, last: date) -> pl.LazyFrame:
    return (
        activity.filter(is_dated(first, last))
        .with_columns(feedback_hundredths=to_hundredths(pl.col("feedback_sum")))
        .select("date", *_KEY, *SUMS)
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


def _none_known(key: Sequence[str]) -> pl.DataFrame:
    return pl.DataFrame(schema=dict.fromkeys(key, pl.String))


def _number(
    known: pl.DataFrame, rows: pl.DataFrame, key: Sequence[str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give each key a `number`, its row in `known`, that it keeps; new keys go to the end."""
    numbered = rows.join(known.with_row_index("number"), on=key, how="left")
    new = numbered.filter(pl.col("number").is_null()).select(key).unique(maintain_order=True)
    if new.is_empty():
        return known, numbered
    known = pl.concat([known, new])
    return known, rows.join(known.with_row_index("number"), on=key, how="left")


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
                at = rows["number"]
                column = column.scatter(at, column.gather(at) + rows[name] * sign)
        columns.append(column)
    dates = state["active_dates"] * 2
    dates = dates.scatter(entering["number"], dates.gather(entering["number"]) + 1)
    columns.append(pl.select(dates & pl.lit(_DAY_BITS, dtype=pl.Int64)).to_series())
    return pl.DataFrame(columns)
