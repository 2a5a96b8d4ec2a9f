"""Trailing windows: what each user did for each firm in the 30 days that end on a day.

The window of one day differs from that of the day before only by the day that enters and the day
that leaves. So the sums are held as one dense row per (user, firm) and carried from day to day;
the dates on which a pair was active are held as one bit a day. Memory depends on the number of
pairs and the length of the window, never on the number of days asked for.
"""

from collections import deque
from collections.abc import Iterator, Sequence
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


def trailing_windows(
    activity: pl.LazyFrame, days: Sequence[date]
) -> Iterator[tuple[date, pl.DataFrame]]:
    """The window of each day, in order.

    Args:
        activity: `core.user_daily_activity`, at least for the windows of the days asked for.
        days: Consecutive days, ascending.

    Yields:
        The day and one row per (`user_id`, `firm_id`) active in its window: the `SUMS`,
        `active_dates` (bit k is set if the pair was active k days before the day), and
        `queries_today`, `documents_today` and so on: the day's own part of each sum.
    """
    if not days:
        return
    pairs = pl.DataFrame(schema={name: pl.String for name in _KEY})
    state = pl.DataFrame(schema={name: pl.Int64 for name in (*SUMS, "active_dates")})
    held: deque[pl.DataFrame] = deque()
    for day, entering in _activity_by_day(
        activity, days[0] - timedelta(days=WINDOW_DAYS - 1), days[-1]
    ):
        pairs, entering = _code_pairs(pairs, entering)
        held.append(entering)
        leaving = held.popleft() if len(held) > WINDOW_DAYS else None
        state = _advance(state, pairs.height, entering, leaving)
        if day >= days[0]:
            today = _spread(entering, pairs.height).rename(lambda name: f"{name}_today")
            window = pl.concat([pairs, state, today], how="horizontal")
            yield day, window.filter(pl.col("active_dates") != 0)


def _activity_by_day(
    activity: pl.LazyFrame, first: date, last: date
) -> Iterator[tuple[date, pl.DataFrame]]:
    """The activity of each day from first to last, empty days included; read a block at a time."""
    columns = [*_KEY, *SUMS]
    day = first
    while day <= last:
        block = [
            day + timedelta(days=offset) for offset in range(min(_READ_DAYS, (last - day).days + 1))
        ]
        rows = (
            activity.filter(pl.col("date").is_between(block[0], block[-1]))
            .with_columns(feedback_hundredths=to_hundredths(pl.col("feedback_sum")))
            .select("date", *columns)
            .collect(engine="streaming")
        )
        by_day = rows.partition_by("date", as_dict=True, include_key=False)
        for day_of_block in block:
            yield day_of_block, by_day.get((day_of_block,), rows.clear().drop("date"))
        day = block[-1] + timedelta(days=1)


def to_hundredths(score: pl.Expr) -> pl.Expr:
    """Scores, or sums of them, as whole hundredths, so that adding them up is exact."""
    return (score * 100).round().cast(pl.Int64)


def _code_pairs(pairs: pl.DataFrame, entering: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give each (user, firm) a row number that it keeps; new pairs go to the end."""
    known = pairs.with_row_index("pair")
    coded = entering.join(known, on=_KEY, how="left")
    new = coded.filter(pl.col("pair").is_null()).select(_KEY)
    if not new.is_empty():
        pairs = pl.concat([pairs, new])
        coded = entering.join(pairs.with_row_index("pair"), on=_KEY, how="left")
    return pairs, coded.drop(_KEY)


def _spread(day_rows: pl.DataFrame, height: int) -> pl.DataFrame:
    """A day's rows as dense columns, one row per pair, 0 where the pair was not active."""
    rows = day_rows["pair"]
    return pl.DataFrame(
        [
            pl.zeros(height, dtype=pl.Int64, eager=True).scatter(rows, day_rows[name]).alias(name)
            for name in SUMS
        ]
    )


def _advance(
    state: pl.DataFrame, height: int, entering: pl.DataFrame, leaving: pl.DataFrame | None
) -> pl.DataFrame:
    """The state after one more day: sums plus what enters less what leaves, dates shifted by one."""
    grown = height - state.height
    columns: list[pl.Series] = []
    for name in SUMS:
        column = state[name].extend_constant(0, grown)
        for rows, sign in ((entering, 1), (leaving, -1)):
            if rows is not None and not rows.is_empty():
                at = rows["pair"]
                column = column.scatter(at, column.gather(at) + rows[name] * sign)
        columns.append(column)
    dates = state["active_dates"].extend_constant(0, grown) * 2
    dates = dates.scatter(entering["pair"], dates.gather(entering["pair"]) + 1)
    columns.append(pl.select(dates & pl.lit(_DAY_BITS, dtype=pl.Int64)).to_series())
    return pl.DataFrame(columns)
