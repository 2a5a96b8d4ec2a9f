"""Window conversations: what the days of a conversation in a window of 30 days are together.

A conversation's part in the window changes only on days on which one of its days enters or leaves.
So it is told once for each such change, not once for each day, and most have few. `since` is the
first day on which it holds, `until` the first on which it does not any more.

Nothing is folded anew for a change: counts are running totals of what enters and leaves, and the
last moments, of which days are in order, those of the last day with one, as long as it is in the
window. Most conversations have one day only; they need neither.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Final

import polars as pl

from harvey_pipeline.conversations.tables.labels import (
    COMPLETED,
    MONTH_DAYS,
    NO_USE_CASE,
    OTHER,
)
from harvey_pipeline.conversations.tables.marts import USE_CASES, WINDOW_CONVERSATIONS
from harvey_pipeline.conversations.transforms.folding import judge, members_of
from harvey_pipeline.conversations.transforms.numbering import numbered
from harvey_pipeline.conversations.transforms.rates import percent, quotient
from harvey_pipeline.conversations.transforms.running import (
    rows_of_windows,
    sum_windows,
    total,
)
from harvey_pipeline.warehouse.days import blocks_of_days

_BLOCK_DAYS: Final = 30
"""Days told at a time: with their windows twice as many are read."""

_PART_ROWS: Final = 500_000
"""Rows, on average, of the users who are told together: memory depends on these."""

_MOMENTS: Final = {
    "last_success_at": (),
    "last_failure_at": ("last_error_type",),
    "last_refusal_at": (),
}
"""The last moments, with what else is told of each."""
_ADDED_UP: Final = (
    "messages",
    "user_messages",
    "tool_calls",
    "creations",
    "failures",
    "refusals",
    "completions",
    "positive_messages",
    "loved_messages",
    "negative_messages",
    "repeated_prompts",
)
_FIGURES: Final = (
    "conversations",
    "completed",
    "credits_used",
    "satisfaction",
    "messages",
    "loved",
    "requesting",
)
_COLUMNS: Final = list(WINDOW_CONVERSATIONS.polars_schema)
_USE_CASE_COLUMNS: Final = list(USE_CASES.polars_schema)


def tell_window_conversations(
    conversation_daily: pl.LazyFrame, use_cases: Sequence[str], days: Sequence[date]
) -> Iterator[pl.LazyFrame]:
    """`window_conversations` of some days, in blocks of days.

    Args:
        conversation_daily: `conversations.conversation_daily` of these days and the 29 before.
        use_cases: Use cases of the catalogue, in its order.
        days: Consecutive days, ascending.
    """
    sums = ["users", *_FIGURES]
    for block in blocks_of_days(days, _BLOCK_DAYS):
        changes = [
            _sum_changes(folds) for folds in fold_windows(conversation_daily, use_cases, block)
        ]
        yield (
            total(pl.concat(changes).lazy(), sums, block, ["use_case"])
            .filter(pl.col("conversations") > 0)
            .select(_COLUMNS)
        )


def fold_windows(
    conversation_daily: pl.LazyFrame, use_cases: Sequence[str], days: Sequence[date]
) -> Iterator[pl.DataFrame]:
    """One row per conversation, user and `since`: its days in the window together.

    Besides `since`, `until` and `use_case` (`NO_USE_CASE` where it has none) it has the number of
    its `user` and the figures of `window_conversations`. Users come some at a time.

    Args:
        conversation_daily: `conversations.conversation_daily` of these days and the 29 before.
        use_cases: Use cases of the catalogue, in its order.
        days: Consecutive days, ascending.
    """
    rows = _read(rows_of_windows(conversation_daily, days, MONTH_DAYS))
    distinct = rows["use_case_messages"].unique()
    texts, names = _count_use_cases(distinct.cast(pl.String), use_cases)
    places = distinct.to_frame().with_row_index("text")
    rows = rows.join(places, on="use_case_messages", how="left").drop("use_case_messages")
    parts = 1 + rows.height // _PART_ROWS
    for part in range(parts):
        some = rows.filter(pl.col("user") % parts == part) if parts > 1 else rows
        yield _fold_users(some, texts, names, days)


def _read(conversation_daily: pl.LazyFrame) -> pl.DataFrame:
    """What is needed of the rows; texts that come again stand as numbers."""
    return (
        conversation_daily.select(
            "date",
            numbered("conversation_id").to_physical().alias("conversation"),
            numbered("user_id").to_physical().alias("user"),
            pl.col(_ADDED_UP).cast(pl.Int32),
            "credits_used",
            *_MOMENTS,
            numbered("last_error_type"),
            numbered("use_case_messages"),
            requests=(pl.col("feature_requests").list.len() > 0).cast(pl.Int32),
        )
        .collect(engine="streaming")
        .with_columns(pair=pl.col("user").cast(pl.UInt64) * 2**32 + pl.col("conversation"))
        .drop("conversation")
    )


def _fold_users(
    rows: pl.DataFrame, texts: pl.DataFrame, names: Sequence[str], days: Sequence[date]
) -> pl.DataFrame:
    """The folds of all windows of some users."""
    end = days[-1] + timedelta(days=1)
    is_single = rows["pair"].is_unique()
    single = rows.filter(is_single)
    folds = [
        single.with_columns(
            texts["use_case"].gather(single["text"]),
            since=_enters(days),
            until=pl.min_horizontal(_leaves(), pl.lit(end)),
        ),
        _follow(rows.filter(~is_single), texts, names, days),
    ]
    needed = [*_ADDED_UP, "credits_used", "requests", *_MOMENTS, "last_error_type"]
    kept = ["user", "since", "until", "use_case"]
    return (
        pl.concat([fold.select(*kept, *needed) for fold in folds])
        .lazy()
        .with_columns(pl.col("last_error_type").cast(pl.String))
        .pipe(judge)
        .select(
            *kept,
            "credits_used",
            pl.col("messages").cast(pl.Int64),
            conversations=pl.lit(1, pl.Int64),
            completed=(pl.col("completion_status") == COMPLETED).cast(pl.Int64),
            satisfaction="user_satisfaction_signal",
            loved=(pl.col("loved_messages") > 0).cast(pl.Int64),
            requesting=(pl.col("requests") > 0).cast(pl.Int64),
        )
        .collect()
    )


def _enters(days: Sequence[date]) -> pl.Expr:
    """The first of the days on which a row is in the window."""
    return pl.max_horizontal("date", pl.lit(days[0]))


def _leaves() -> pl.Expr:
    """The first day on which a row is in the window no more."""
    return pl.col("date") + timedelta(days=MONTH_DAYS)


# --- conversations of several days ---------------------------------------------------------------


def _follow(
    rows: pl.DataFrame, texts: pl.DataFrame, names: Sequence[str], days: Sequence[date]
) -> pl.DataFrame:
    """The folds of conversations with several rows: what is in the window after each change.

    All that enters leaves again, in the days or after them. So the running total of one
    conversation ends with zero, and the next one's begins with it.
    """
    counts = [_of_name(place) for place in range(len(names))]
    sums = ["rows", *_ADDED_UP, "credits_used", "requests", *counts]
    moments = [*_MOMENTS, *(name for more in _MOMENTS.values() for name in more)]
    known = rows.hstack(texts.select(pl.col(counts).gather(rows["text"]))).with_columns(
        rows=pl.lit(1, pl.Int32)
    )
    changes = (
        pl.concat(
            [
                known.select("pair", "user", "date", *sums, *moments, since=_enters(days)),
                known.select("pair", "user", "date", -pl.col(sums), since=_leaves()),
            ],
            how="diagonal",
        )
        .sort("pair", "since", "date")
        .with_columns(
            pl.col(sums).cum_sum(),
            **{f"place_of_{moment}": _last_place(moment) for moment in _MOMENTS},
        )
    )
    is_last = pl.any_horizontal(
        pl.col(name).ne_missing(pl.col(name).shift(-1)) for name in ("pair", "since")
    )
    end = days[-1] + timedelta(days=1)
    folds = (
        changes.drop(moments)
        .filter(is_last)
        .with_columns(until=pl.min_horizontal(pl.col("since").shift(-1), pl.lit(end)))
        .filter((pl.col("rows") > 0) & (pl.col("since") < end))
        .with_columns(use_case=_most_named(names))
    )
    for moment, more in _MOMENTS.items():
        at = folds[f"place_of_{moment}"]
        then = changes.select("pair", leaves=_leaves()).select(pl.all().gather(at))
        is_there = (then["pair"] == folds["pair"]) & (then["leaves"] > folds["since"])
        place = at.set(~is_there.fill_null(value=False), None)
        folds = folds.with_columns(changes[name].gather(place) for name in (moment, *more))
    return folds


def _last_place(moment: str) -> pl.Expr:
    """The place of the last row, up to each, that has such a moment."""
    place = pl.int_range(pl.len(), dtype=pl.UInt32)
    return pl.when(pl.col(moment).is_not_null()).then(place).forward_fill()


# --- use cases -----------------------------------------------------------------------------------


def _of_name(place: int) -> str:
    return f"messages_{place}"


def _count_use_cases(
    texts: pl.Series, use_cases: Sequence[str]
) -> tuple[pl.DataFrame, Sequence[str]]:
    """What objects of user messages by use case say, in their order, and the use cases in them.

    Returns:
        One row per text: `use_case`, and the messages of each of the use cases; and these, the
        first of which counts of several with equally many: in the order of the catalogue, then
        those that it does not name, and `other`.
    """
    members = members_of(pl.LazyFrame({"text": texts})).collect()
    found = members["name"].unique().to_list()
    known = [name for name in use_cases if name in found and name != OTHER]
    names = [*known, *sorted({*found} - {*known, OTHER}), OTHER]
    counts = [
        members.filter(pl.col("name") == name)
        .select("text", pl.col("count").cast(pl.Int32).alias(_of_name(place)))
        .lazy()
        for place, name in enumerate(names)
    ]
    rows = pl.LazyFrame({"text": texts})
    for one in counts:
        rows = rows.join(one, on="text", how="left", maintain_order="left")
    told = rows.drop("text").with_columns(pl.all().fill_null(0))
    return told.with_columns(use_case=_most_named(names)).collect(), names


def _most_named(names: Sequence[str]) -> pl.Expr:
    """The use case of most messages, the first of equals; `other` only where there is no other.

    Args:
        names: The use cases in order, `other` last.
    """
    named = {name: pl.col(_of_name(place)) for place, name in enumerate(names)}
    other = named.pop(OTHER)
    most = pl.max_horizontal(pl.lit(0, pl.Int32), *named.values())
    kind = pl.Enum([NO_USE_CASE, *names])
    return pl.coalesce(
        *(
            pl.when(column == most, column > 0).then(pl.lit(name, kind))
            for name, column in named.items()
        ),
        pl.when(other > 0).then(pl.lit(OTHER, kind)),
        pl.lit(NO_USE_CASE, kind),
    )


# --- days ----------------------------------------------------------------------------------------


def _sum_changes(folds: pl.DataFrame) -> pl.DataFrame:
    """One row per `date` and `use_case`: by how much the figures and `users` change on it."""
    edges = [
        folds.group_by("use_case", pl.col(edge).alias("date")).agg(pl.col(_FIGURES).sum() * sign)
        for edge, sign in (("since", 1), ("until", -1))
    ]
    return (
        pl.concat([*edges, _change_users(folds)], how="diagonal")
        .with_columns(pl.col("use_case").cast(pl.String), pl.col("users", *_FIGURES).fill_null(0))
        .select("date", "use_case", "users", *_FIGURES)
    )


def _change_users(folds: pl.DataFrame) -> pl.DataFrame:
    """Changes of `users`: a user comes with the first conversation and goes with the last one.

    Like a conversation's days, a user's conversations come to zero in the end.
    """
    key = pl.col("use_case").to_physical().cast(pl.UInt64) * 2**32 + pl.col("user")
    changes = (
        pl.concat(
            folds.select("use_case", key=key, date=edge, held=pl.lit(sign, pl.Int32))
            for edge, sign in (("since", 1), ("until", -1))
        )
        .sort("key", "date")
        .with_columns(pl.col("held").cum_sum())
    )
    is_last = pl.any_horizontal(
        pl.col(name).ne_missing(pl.col(name).shift(-1)) for name in ("key", "date")
    )
    is_held = (pl.col("held") > 0).cast(pl.Int64)
    return (
        changes.filter(is_last)
        .select("use_case", "date", users=is_held - is_held.shift(1, fill_value=0))
        .group_by("use_case", "date")
        .agg(pl.col("users").sum())
    )


# --- marts ---------------------------------------------------------------------------------------


def sum_window_conversations(
    window_conversations: pl.LazyFrame, days: Sequence[date], **figures: pl.Expr
) -> pl.LazyFrame:
    """One row per day: figures of its window conversations over all use cases, 0 without any.

    Args:
        window_conversations: `conversations.window_conversations`, at least of these days.
        days: Consecutive days, ascending.
        figures: Whole numbers, of each row.
    """
    rows = window_conversations.select("date", **figures)
    return sum_windows(rows, list(figures), days, 1)


def tell_use_cases(window_conversations: pl.LazyFrame) -> pl.LazyFrame:
    """`use_cases` of some days.

    Args:
        window_conversations: `conversations.window_conversations` of these days.
    """
    conversations = pl.col("conversations")
    return (
        window_conversations.filter(pl.col("use_case") != NO_USE_CASE)
        .with_columns(
            share_percent=percent(conversations, conversations.sum().over("date")),
            completion_rate=percent(pl.col("completed"), conversations),
            avg_satisfaction=quotient(pl.col("satisfaction"), conversations),
        )
        .select(_USE_CASE_COLUMNS)
    )
