"""Conversations: ids that live on for months, cut into rows by the days near by.

Whether a row begins on a date depends on the 14 days before it alone, and none goes beyond the
Sunday of the week after. So a day's rows rest on 14 days before it and 13 after it, in whatever
order days are computed.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Final

import polars as pl

from harvey_pipeline.conversations.tables.conversations import CONVERSATIONS
from harvey_pipeline.conversations.transforms.folding import fold
from harvey_pipeline.warehouse.days import blocks_of_days, is_dated

SILENT_DAYS: Final = 7
"""So many days without an event end a row."""
DAYS_BEFORE: Final = 2 * SILENT_DAYS
DAYS_AFTER: Final = 13
"""From a Monday on which a row begins to the Sunday of the week after it."""

_BLOCK_DAYS: Final = 28
"""Days computed together, from twice as many that are read."""

_COLUMNS: Final = list(CONVERSATIONS.polars_schema)
_CONVERSATION: Final = ["conversation_id", "user_id"]


def cut_conversations(
    conversation_daily: pl.LazyFrame, days: Sequence[date], use_cases: Sequence[str]
) -> Iterator[pl.LazyFrame]:
    """`conversations` of some days, in blocks of days.

    Args:
        conversation_daily: `conversations.conversation_daily` of these days, the 14 before and
            the 13 after them.
        days: Consecutive days, ascending.
        use_cases: The names of the catalogue's, in its order.
    """
    for block in blocks_of_days(days, _BLOCK_DAYS):
        active = conversation_daily.filter(
            is_dated(block[0] - timedelta(days=DAYS_BEFORE), block[-1] + timedelta(days=DAYS_AFTER))
        )
        rows = (
            _find_rows(active.select("date", *_CONVERSATION), block[0])
            .filter(is_dated(block[0], block[-1], "begins"))
            .collect()
            .lazy()
        )
        yield (
            fold(
                active.join(rows, on=["date", *_CONVERSATION]),
                ["begins", *_CONVERSATION, "is_continuation"],
                use_cases,
            )
            .rename(
                {
                    "begins": "date",
                    "first_event_at": "started_at",
                    "messages": "message_count",
                    "first_message": "first_intent",
                }
            )
            .with_columns(
                conversation_key=pl.concat_str(
                    *_CONVERSATION, pl.col("date").dt.strftime("%Y%m%d"), separator="_"
                )
            )
            .select(_COLUMNS)
        )


def _find_rows(active: pl.LazyFrame, first: date) -> pl.LazyFrame:
    """The active dates of rows that begin on `first` or later.

    Returns:
        One row per `date`, `conversation_id` and `user_id`, with the date on which its row
        `begins` and whether that `is_continuation`.

    Args:
        active: One row per `date`, `conversation_id` and `user_id`, from 14 days before `first`.
        first: The earliest date for which all is known that tells whether a row begins.
    """
    day = pl.col("date")
    monday = day.dt.truncate("1w")
    is_silent = (pl.col("days_since") > SILENT_DAYS).fill_null(True)
    is_first_of_week = day - pl.duration(days=pl.col("days_since")) < monday
    is_beginning = is_silent | (is_first_of_week & pl.col("is_old"))
    return (
        active.sort(*_CONVERSATION, "date")
        .with_columns(days_since=_days_since(1), is_old=_is_active_long_ago())
        .filter(day >= first)
        .select(
            "date",
            *_CONVERSATION,
            begins=pl.when(is_beginning).then("date"),
            is_continuation=pl.when(is_beginning).then(~is_silent),
        )
        .with_columns(pl.col("begins", "is_continuation").forward_fill().over(_CONVERSATION))
        .filter(pl.col("begins").is_not_null())
    )


def _days_since(count: int) -> pl.Expr:
    """Days since the active date so many before, of the same conversation and user; else null."""
    is_same = pl.all_horizontal(pl.col(name) == pl.col(name).shift(count) for name in _CONVERSATION)
    return pl.when(is_same).then((pl.col("date") - pl.col("date").shift(count)).dt.total_days())


def _is_active_long_ago() -> pl.Expr:
    """Whether one of the dates 8 to 14 days before is active.

    The latest active date that is 8 or more days back is at most the eighth before.
    """
    return pl.any_horizontal(
        _days_since(count).is_between(SILENT_DAYS + 1, DAYS_BEFORE)
        for count in range(1, SILENT_DAYS + 2)
    ).fill_null(False)
