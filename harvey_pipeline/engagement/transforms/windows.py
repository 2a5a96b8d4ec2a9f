"""Trailing windows: what each user did for each firm in the 30 days that end on a day.

The window of one day differs from that of the day before only by the day that enters and the day
that leaves. So the sums are held as one dense row per (user, firm) and carried from day to day;
the dates on which a pair was active are held as one bit a day. Memory depends on the number of
pairs and the length of the window, never on the number of days asked for.

Where only the dates count, users and firms are followed each for themselves (`trailing_dates`). A
single window, such as a calendar month, is summed at once (`sum_window`).
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import polars as pl

from harvey_pipeline.engagement.tables.labels import WINDOW_DAYS
from harvey_pipeline.warehouse.days import blocks_of_days, is_dated

QUERIES_BY_TYPE: Final = ("assistant_queries", "vault_queries", "workflow_queries")

SUMS: Final = (
    "queries",
    *QUERIES_BY_TYPE,
    "documents",
    "feedback_hundredths",
    "feedback_count",
)
"""Columns that add up over a window. `feedback_hundredths` keeps sums of scores exact."""

_READ_DAYS: Final = 8
"""Days of activity read at a time."""

_BLOCK_ROWS: Final = 30_000
"""Rows of windows that are handed on together: planning a query costs some of their time."""

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
    state = sum_window(
        activity, _days_before(days[0], WINDOW_DAYS - 1), _days_before(days[0], 1), sums
    )
    pairs, state = state.select(_KEY), state.drop(_KEY)
    held: deque[pl.DataFrame] = deque()
    for block in blocks_of_days(days, _READ_DAYS):
        pairs, rows = _number(pairs, _read(activity, block[0], block[-1]), _KEY)
        state = state.select(pl.all().extend_constant(0, pairs.height - state.height))
        older = _leaving_from_before(activity, pairs, block, days[0])
        for day, entering in zip(block, _by_day(rows, block), strict=True):
            gone = _days_before(day, WINDOW_DAYS)
            held.append(entering)
            leaving = held.popleft() if gone >= days[0] else older.get(gone)
            state = _advance(state, sums, entering, leaving)
            window = pl.concat([pairs, state], how="horizontal")
            yield Window(day, window.filter(pl.col("active_dates") != 0), entering)


def blocks_of_windows(windows: Iterable[Window]) -> Iterator[list[Window]]:
    """Windows that follow each other, together where they are small; in order, each block some."""
    block: list[Window] = []
    rows = 0
    for window in windows:
        if block and rows + window.pairs.height > _BLOCK_ROWS:
            yield block
            block, rows = [], 0
        block.append(window)
        rows += window.pairs.height
    if block:
        yield block


def dated(day: date, frame: pl.DataFrame) -> pl.DataFrame:
    """The rows of a day, with it as their `date`."""
    return frame.with_columns(date=pl.lit(day))


def _leaving_from_before(
    activity: pl.LazyFrame, pairs: pl.DataFrame, block: Sequence[date], first: date
) -> dict[date, pl.DataFrame]:
    """The rows that leave on the days of a block and lie before the first day asked for."""
    days = [day for each in block if (day := _days_before(each, WINDOW_DAYS)) < first]
    # The window of the first day loses nothing: it starts from the 29 days before it.
    days = [day for day in days if day > _days_before(first, WINDOW_DAYS)]
    if not days:
        return {}
    _, rows = _number(pairs, _read(activity, days[0], days[-1]), _KEY)
    return dict(zip(days, _by_day(rows, days), strict=True))


def _days_before(day: date, number: int) -> date:
    return day - timedelta(days=number)


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
    # A user who works for several firms, and a firm with several users, is several pairs.
    pairs = sum_window(activity, _days_before(days[0], length - 1), _days_before(days[0], 1), ())
    state = {key: pairs.group_by(key).agg(pl.col("active_dates").bitwise_or()) for key in keys}
    for block in blocks_of_days(days, _READ_DAYS):
        rows = (
            activity.filter(is_dated(block[0], block[-1]))
            .select("date", *keys)
            .collect(engine="streaming")
        )
        entering = {}
        for key in keys:
            known, numbered = _number(state[key].select(key), rows.select("date", key), [key])
            dates = state[key]["active_dates"].extend_constant(0, known.height - state[key].height)
            state[key] = known.with_columns(active_dates=dates)
            entering[key] = _by_day(numbered.select("date", "number"), block)
        for place, day in enumerate(block):
            for key in keys:
                dates = state[key].select((pl.col("active_dates") * 2) & bits).to_series()
                active = entering[key][place]["number"]
                dates = dates.scatter(active, dates.gather(active) | 1)
                state[key] = state[key].with_columns(active_dates=dates)
            yield day, dict(state)


def sum_window(
    activity: pl.LazyFrame, first: date, last: date, sums: Sequence[str] = SUMS
) -> pl.DataFrame:
    """One row per (`user_id`, `firm_id`) active from first to last: the `pairs` of a `Window`.

    Args:
        activity: `core.user_daily_activity`, at least for those days.
        first: First day.
        last: Last day, at most 61 days later.
        sums: Which of the `SUMS` to add up.
    """
    days_before = (pl.lit(last) - pl.col("date")).dt.total_days()
    return (
        _read_lazily(activity, first, last)
        .group_by(_KEY)
        .agg(
            pl.col(sums).sum(),
            # Rows of a pair never share a date.
            active_dates=(pl.lit(2, dtype=pl.Int64) ** days_before).sum(),
        )
        .collect(engine="streaming")
    )


def _by_day(rows: pl.DataFrame, days: Sequence[date]) -> list[pl.DataFrame]:
    parts = rows.partition_by("date", as_dict=True, include_key=False)
    return [parts.get((day,), rows.clear().drop("date")) for day in days]


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
