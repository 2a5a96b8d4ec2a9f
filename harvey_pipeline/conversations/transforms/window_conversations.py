"""Window conversations: what the days of a conversation in a window of 30 days are together.

A conversation's part in the window changes only on days on which one of its days enters or leaves.
So it is folded once for each such change, not once for each day, and most have few. `since` is the
first day on which a fold holds, `until` the first on which it does not any more.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Final

import polars as pl

from harvey_pipeline.conversations.tables.labels import COMPLETED, MONTH_DAYS
from harvey_pipeline.conversations.tables.marts import USE_CASES
from harvey_pipeline.conversations.transforms.canonical import EMPTY_OBJECT
from harvey_pipeline.conversations.transforms.folding import fold
from harvey_pipeline.conversations.transforms.rates import percent, quotient
from harvey_pipeline.conversations.transforms.running import count_while, rows_of_windows, total
from harvey_pipeline.warehouse.days import blocks_of_days

_BLOCK_DAYS: Final = 15
"""A conversation that goes on every day is folded on each of them, from 30 rows."""

_PART_ROWS: Final = 400_000
"""Rows of a block that are folded together; were there more, it is done for some users at a time.

In the worst case, conversations that go on every day, they make ten times as many to be folded.
"""

_KEY: Final = ["conversation_id", "user_id"]
_USE_CASE_SUMS: Final = ["conversations", "completed", "credits_used", "satisfaction"]
_USE_CASE_COLUMNS: Final = list(USE_CASES.polars_schema)


def blocks_of_folds(days: Sequence[date]) -> Iterator[Sequence[date]]:
    """The days in order, as many together as windows are folded for at a time."""
    return blocks_of_days(days, _BLOCK_DAYS)


def fold_windows(
    conversation_daily: pl.LazyFrame, use_cases: Sequence[str], days: Sequence[date]
) -> pl.LazyFrame:
    """One row per conversation, user and `since`: what `fold` makes of its days in the window.

    No mart asks for the tools of a conversation, so that they are left out.

    Args:
        conversation_daily: `conversations.conversation_daily` of these days and the 29 before.
        use_cases: Use cases of the catalogue, in its order.
        days: Consecutive days, ascending.
    """
    rows = rows_of_windows(conversation_daily, days, MONTH_DAYS).with_columns(
        tools_used=pl.lit(EMPTY_OBJECT)
    )
    leaves = pl.col("date") + pl.duration(days=MONTH_DAYS)
    changes = (
        pl.concat(
            [
                rows.select(*_KEY, since=pl.max_horizontal("date", pl.lit(days[0]))),
                rows.select(*_KEY, since=leaves).filter(pl.col("since") <= days[-1]),
            ]
        )
        .unique()
        .sort(*_KEY, "since")
        .with_columns(
            until=pl.col("since").shift(-1).over(_KEY).fill_null(days[-1] + timedelta(days=1))
        )
    )
    in_window = (pl.col("date") <= pl.col("since")) & (leaves > pl.col("since"))
    parts = rows.join(changes.select(*_KEY, "since"), on=_KEY).filter(in_window)
    return fold(parts, [*_KEY, "since"], use_cases).join(changes, on=[*_KEY, "since"])


def collect_folds(
    conversation_daily: pl.LazyFrame,
    use_cases: Sequence[str],
    days: Sequence[date],
    **figures: pl.Expr,
) -> pl.LazyFrame:
    """Some figures of `fold_windows` with `since` and `until`, at hand.

    The arguments are those of `fold_windows`, `figures` expressions over its rows.
    """
    rows = rows_of_windows(conversation_daily, days, MONTH_DAYS)
    parts = 1 + rows.select(pl.len()).collect(engine="streaming").item() // _PART_ROWS
    part = pl.col("user_id").hash() % parts
    return pl.concat(
        fold_windows(rows.filter(part == number), use_cases, days)
        .select("since", "until", **figures)
        .collect(engine="streaming")
        for number in range(parts)
    ).lazy()


def sum_folds(
    folds: pl.LazyFrame, sums: Sequence[str], days: Sequence[date], by: Sequence[str] = ()
) -> pl.LazyFrame:
    """One row per day and group met: whole numbers of the folds that hold on it, added up."""
    return total(_begin_and_end(folds.select("since", "until", *by, *sums), sums), sums, days, by)


def _begin_and_end(folds: pl.LazyFrame, sums: Sequence[str]) -> pl.LazyFrame:
    return pl.concat(
        [
            folds.rename({"since": "date"}).drop("until"),
            folds.rename({"until": "date"}).drop("since").with_columns(-pl.col(sums)),
        ],
        how="diagonal",
    )


def tell_use_cases(
    conversation_daily: pl.LazyFrame, use_cases: Sequence[str], days: Sequence[date]
) -> Iterator[pl.LazyFrame]:
    """`use_cases` of some days, in blocks of days.

    Args:
        conversation_daily: `conversations.conversation_daily` of these days and the 29 before.
        use_cases: Use cases of the catalogue, in its order.
        days: Consecutive days, ascending.
    """
    for block in blocks_of_folds(days):
        folds = collect_folds(
            conversation_daily,
            use_cases,
            block,
            user_id=pl.col("user_id"),
            credits_used=pl.col("credits_used"),
            use_case=pl.col("extracted_use_case"),
            conversations=pl.lit(1, pl.Int64),
            completed=(pl.col("completion_status") == COMPLETED).cast(pl.Int64),
            satisfaction=pl.col("user_satisfaction_signal").cast(pl.Int64),
        ).filter(pl.col("use_case").is_not_null())
        changes = _begin_and_end(
            folds.select("since", "until", "use_case", "user_id", number="conversations"),
            ["number"],
        )
        holding = count_while(changes, ["use_case", "user_id"], pl.col("number") > 0)
        users = total(holding, ["number"], block, ["use_case"]).rename({"number": "users"})
        conversations = pl.col("conversations")
        yield (
            sum_folds(folds, _USE_CASE_SUMS, block, ["use_case"])
            .filter(conversations > 0)
            .join(users, on=["date", "use_case"])
            .with_columns(
                share_percent=percent(conversations, conversations.sum().over("date")),
                completion_rate=percent(pl.col("completed"), conversations),
                avg_satisfaction=quotient(pl.col("satisfaction"), conversations),
            )
            .select(_USE_CASE_COLUMNS)
        )
