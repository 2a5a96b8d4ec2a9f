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
    pairs = pl.DataFrame(schema={name: pl.String for name in _KEY})
    state = pl.DataFrame(schema={name: pl.Int64 for name in (*sums, "active_dates")})
    held: deque[pl.DataFrame] = deque()
    first = days[0] - timedelta(days=WINDOW_DAYS - 1)
    for block in _blocks(first, days[-1]):
        rows = _read(activity, block[0], block[-1])
        pairs, rows = _code_pairs(pairs, rows)
        state = _grow(state, pairs.height)
        by_day = rows.partition_by("date", as_dict=True, include_key=False)
        for day in block:
            entering = by_day.get((day,), rows.clear().drop("date"))
            held.append(entering)
            leaving = held.popleft() if len(held) > WINDOW_DAYS else None
            state = _advance(state, sums, entering, leaving)
            if day >= days[0]:
                window = pl.concat([pairs, state], how="horizontal")
                yield Window(day, window.filter(pl.col("active_dates") != 0), entering)


def _blocks(first: date, last: date) -> Iterator[list[date]]:
    days = (last - first).days + 1
    for start in range(0, days, _READ_DAYS):
        yield [
            first + timedelta(days=offset)
            for offset in range(start, min(start + _READ_DAYS, days))
        ]


def _read(activity: pl.LazyFrame, first: date, last: date) -> pl.DataFrame:
    return (
        activity.filter(pl.col("date").is_between(first, last))
        .with_columns(feedback_hundredths=to_hundredths(pl.col("feedback_sum")))
        .select("date", *_KEY, *SUMS)
        .collect(engine="streaming")
    )


def to_hundredths(score: pl.Expr) -> pl.Expr:
    """Scores, or sums of them, as whole hundredths, so that adding them up is exact."""
    return (score * 100).round().cast(pl.Int64)


def _code_pairs(pairs: pl.DataFrame, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give each (user, firm) a row number that it keeps; new pairs go to the end."""
    coded = rows.join(pairs.with_row_index("pair"), on=_KEY, how="left")
    new = coded.filter(pl.col("pair").is_null()).select(_KEY).unique(maintain_order=True)
    if new.is_empty():
        return pairs, coded
    pairs = pl.concat([pairs, new])
    return pairs, rows.join(pairs.with_row_index("pair"), on=_KEY, how="left")


def _grow(state: pl.DataFrame, height: int) -> pl.DataFrame:
    return state.select(pl.all().extend_constant(0, height - state.height))


def _advance(
    state: pl.DataFrame,
    sums: Sequence[str],
    entering: pl.DataFrame,
    leaving: pl.DataFrame | None,
) -> pl.DataFrame:
    """The state after one more day: sums plus what enters less what leaves, dates shifted by one."""
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
