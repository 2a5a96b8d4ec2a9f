"""From events to the sums on which everything downstream is built."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from typing import Final

import polars as pl

from harvey_pipeline.conversations.sources import CONVERSATION_EVENTS
from harvey_pipeline.conversations.tables.labels import (
    MOST_FEATURE_REQUESTS,
    OTHER,
    PREFERENCE,
    PREFERENCE_CHARACTERS,
    PROMPT,
    SESSION_GAP_MINUTES,
    TRAIT_CHARACTERS,
)
from harvey_pipeline.conversations.tables.sums import (
    CONVERSATION_DAILY,
    TOOL_DAILY,
    TRAIT_DAILY,
    USER_DAILY,
)
from harvey_pipeline.conversations.transforms.canonical import (
    EMPTY_OBJECT,
    as_json_object,
    counts_as_json,
)
from harvey_pipeline.conversations.transforms.reading import (
    Catalogue,
    read_messages,
    read_outcomes,
    read_words,
    use_case_column,
)
from harvey_pipeline.landing.repeats import first_deliveries
from harvey_pipeline.landing.source import EVENT_DATE
from harvey_pipeline.warehouse.days import is_dated

_CONVERSATION_COLUMNS: Final = list(CONVERSATION_DAILY.polars_schema)
_USER_COLUMNS: Final = list(USER_DAILY.polars_schema)
_TOOL_COLUMNS: Final = list(TOOL_DAILY.polars_schema)
_TRAIT_COLUMNS: Final = list(TRAIT_DAILY.polars_schema)
_TRAIT_KIND: Final = TRAIT_DAILY.polars_schema["kind"]

_CONVERSATION: Final = ("date", "conversation_id", "user_id")
_LATE_DAYS: Final = CONVERSATION_EVENTS.late_days

_BLOCK_EVENTS: Final = 500_000
"""Events whose texts are held at a time; a single day is never cut."""

_ADDED_UP: Final = (
    "events",
    "messages",
    "user_messages",
    "tool_calls",
    "successful_calls",
    "creations",
    "attempts",
    "failures",
    "refusals",
    "completions",
    "sharing_events",
    "credits_used",
    "loved_messages",
)
"""Sums of a user's conversations that are the user's own."""


# --- blocks --------------------------------------------------------------------------------------


def events_by_block(
    events: pl.LazyFrame, days: Sequence[date], block_events: int = _BLOCK_EVENTS
) -> Iterator[tuple[Sequence[date], pl.LazyFrame]]:
    """Consecutive days with their events, each counted once, as many days as a block may hold.

    Args:
        events: `raw.raw_conversation_events` of every drop that may hold events of the days.
        days: The days wanted, ascending.
        block_events: Events that a block of more than one day may hold.
    """
    counted = events.group_by(EVENT_DATE).len().collect(engine="streaming")
    per_day: dict[date, int] = dict(counted.iter_rows())
    block: list[date] = []
    held = 0
    for day in days:
        if block and held + per_day.get(day, 0) > block_events:
            yield block, _events_of(events, block)
            block, held = [], 0
        block.append(day)
        held += per_day.get(day, 0)
    if block:
        yield block, _events_of(events, block)


def _events_of(events: pl.LazyFrame, days: Sequence[date]) -> pl.LazyFrame:
    drops = is_dated(days[0], days[-1] + timedelta(days=_LATE_DAYS), "drop_date")
    of_days = events.filter(drops & is_dated(days[0], days[-1], EVENT_DATE))
    return first_deliveries(CONVERSATION_EVENTS, of_days)


def _in_blocks(
    events: pl.LazyFrame,
    days: Sequence[date],
    sum_block: Callable[[pl.LazyFrame], pl.LazyFrame],
) -> Iterator[pl.LazyFrame]:
    for _, block in events_by_block(events, days):
        yield sum_block(block)


# --- conversations -------------------------------------------------------------------------------


def sum_conversations(
    events: pl.LazyFrame, catalogue: Catalogue, days: Sequence[date]
) -> Iterator[pl.LazyFrame]:
    """`conversation_daily` of some days, in blocks.

    Args:
        events: `raw.raw_conversation_events` of the days' drops and those of the late window.
        catalogue: The words.
        days: The days, ascending.
    """
    return _in_blocks(events, days, lambda block: _sum_conversations(block, catalogue))


def _sum_conversations(events: pl.LazyFrame, catalogue: Catalogue) -> pl.LazyFrame:
    use_cases = {name: use_case_column(name) for name in (*catalogue.use_case_names, OTHER)}
    needed = ("id", "timestamp", *_CONVERSATION, "tool", "credits", "error_type", "shown", "normal")
    read = (
        read_words(read_messages(read_outcomes(events, catalogue)), catalogue)
        .select(*needed, "^is_.*$")
        # Within a group rows keep their order, so that its first and last are known.
        .sort("timestamp", "id")
        .collect()
    )
    normal = pl.col("normal").filter(pl.col("normal") != "")
    sums = read.group_by(_CONVERSATION).agg(
        pl.len().cast(pl.Int64).alias("events"),
        _count("is_message").alias("messages"),
        _count("is_user_message").alias("user_messages"),
        _count("is_call").alias("tool_calls"),
        _count("is_success").alias("successful_calls"),
        _count("is_creation").alias("creations"),
        _count(pl.col("is_call") | pl.col("is_failed")).alias("attempts"),
        _count("is_failed").alias("failures"),
        _count("is_refusal").alias("refusals"),
        _count("is_completion").alias("completions"),
        _count("is_sharing").alias("sharing_events"),
        pl.col("credits").sum().alias("credits_used"),
        _count("is_positive").alias("positive_messages"),
        _count("is_loved").alias("loved_messages"),
        _count("is_negative").alias("negative_messages"),
        (normal.len().cast(pl.Int64) - normal.n_unique().cast(pl.Int64)).alias("repeated_prompts"),
        *(_count(column).alias(column) for column in use_cases.values()),
        pl.col("timestamp").first().alias("first_event_at"),
        pl.col("timestamp").last().alias("last_event_at"),
    )
    of_some = (
        ("is_message", [pl.col("timestamp").last().alias("last_message_at")]),
        ("is_success", [pl.col("timestamp").last().alias("last_success_at")]),
        (
            "is_failed",
            [
                pl.col("timestamp").last().alias("last_failure_at"),
                pl.col("error_type").last().alias("last_error_type"),
            ],
        ),
        ("is_refusal", [pl.col("timestamp").last().alias("last_refusal_at")]),
        (pl.col("shown") != "", [pl.col("shown").first().alias("first_message")]),
        ("is_request", [pl.col("shown").head(MOST_FEATURE_REQUESTS).alias("feature_requests")]),
    )
    for condition, figures in of_some:
        found = read.filter(condition).group_by(_CONVERSATION).agg(figures)
        sums = sums.join(found, on=_CONVERSATION, how="left")
    calls = read.filter("is_call").group_by(*_CONVERSATION, "tool").agg(calls=pl.len())
    tools = as_json_object(calls, _CONVERSATION, "tool", "calls", "tools_used")
    return (
        sums.join(tools, on=_CONVERSATION, how="left")
        .with_columns(
            pl.col("tools_used").fill_null(EMPTY_OBJECT),
            pl.col("feature_requests").fill_null([]),
            use_case_messages=counts_as_json(use_cases),
        )
        .select(_CONVERSATION_COLUMNS)
        .sort("date")
        .lazy()
    )


def _count(condition: str | pl.Expr) -> pl.Expr:
    found = pl.col(condition) if isinstance(condition, str) else condition
    return found.sum().cast(pl.Int64)


# --- users ---------------------------------------------------------------------------------------


def sum_users(
    conversations: pl.LazyFrame, events: pl.LazyFrame, days: Sequence[date]
) -> Iterator[pl.LazyFrame]:
    """`user_daily` of some days, in blocks.

    Args:
        conversations: `conversation_daily` of the days.
        events: `raw.raw_conversation_events` of the days' drops and those of the late window.
        days: The days, ascending.
    """
    for block, of_block in events_by_block(events, days):
        sums = (
            conversations.filter(is_dated(block[0], block[-1]))
            .group_by("date", "user_id")
            .agg(
                pl.len().cast(pl.Int64).alias("conversations"),
                pl.col(*_ADDED_UP).sum(),
                pl.col("first_event_at").min(),
                pl.col("last_event_at").max(),
            )
        )
        yield (
            sums.join(_sum_sessions(of_block), on=["date", "user_id"], how="left")
            .select(_USER_COLUMNS)
            .sort("date")
        )


def _sum_sessions(events: pl.LazyFrame) -> pl.LazyFrame:
    """One row per (`date`, `user_id`): how many sessions there are, and how long they are."""
    user = ("date", "user_id")
    gap = pl.col("timestamp") - pl.col("timestamp").shift(1)
    is_same_user = pl.all_horizontal(pl.col(name) == pl.col(name).shift(1) for name in user)
    goes_on = is_same_user & (gap <= pl.duration(minutes=SESSION_GAP_MINUTES))
    length = pl.col("timestamp").max() - pl.col("timestamp").min()
    return (
        events.select("user_id", "timestamp", date=EVENT_DATE)
        .sort(*user, "timestamp")
        .with_columns(session=(~goes_on.fill_null(False)).cum_sum())
        .group_by(*user, "session")
        .agg(seconds=length.dt.total_seconds())
        .group_by(user)
        .agg(
            sessions=pl.len().cast(pl.Int64),
            session_seconds=pl.col("seconds").sum(),
        )
    )


# --- tools and traits ----------------------------------------------------------------------------


def sum_tools(
    events: pl.LazyFrame, catalogue: Catalogue, days: Sequence[date]
) -> Iterator[pl.LazyFrame]:
    """`tool_daily` of some days, in blocks.

    Args:
        events: `raw.raw_conversation_events` of the days' drops and those of the late window.
        catalogue: The words.
        days: The days, ascending.
    """
    return _in_blocks(events, days, lambda block: _sum_tools(block, catalogue))


def _sum_tools(events: pl.LazyFrame, catalogue: Catalogue) -> pl.LazyFrame:
    kind = pl.col("event_type").cast(pl.String)
    is_attempt = kind.is_in(["tool_call", "error"]) | pl.col("success").eq_missing(False)
    return (
        read_outcomes(events.filter(is_attempt), catalogue)
        .group_by("date", "user_id", "tool", pl.col("error_type").fill_null(""))
        .agg(
            calls=_count("is_call"),
            successes=_count("is_success"),
            failures=_count("is_failed"),
            credits_used=pl.col("credits").sum(),
        )
        .rename({"tool": "tool_name"})
        .select(_TOOL_COLUMNS)
        .sort("date")
    )


def sum_traits(
    events: pl.LazyFrame, catalogue: Catalogue, days: Sequence[date]
) -> Iterator[pl.LazyFrame]:
    """`trait_daily` of some days, in blocks.

    Args:
        events: `raw.raw_conversation_events` of the days' drops and those of the late window.
        catalogue: The words.
        days: The days, ascending.
    """
    return _in_blocks(events, days, lambda block: _sum_traits(block, catalogue))


def _sum_traits(events: pl.LazyFrame, catalogue: Catalogue) -> pl.LazyFrame:
    kind = pl.col("event_type").cast(pl.String)
    prompts = (
        read_messages(read_outcomes(events.filter(kind == "message"), catalogue))
        .filter(pl.col("normal").str.contains(" ", literal=True))
        .select(
            "date",
            "user_id",
            kind=pl.lit(PROMPT),
            name=pl.col("normal").str.head(TRAIT_CHARACTERS),
        )
    )
    calls = read_outcomes(events.filter(kind == "tool_call"), catalogue).select(
        "date", "user_id", "params"
    )
    preferences = (calls.pipe(_preferences, key) for key in catalogue.preference_keys)
    return (
        pl.concat([prompts, *preferences])
        .group_by("date", "user_id", "kind", "name")
        .agg(times=pl.len().cast(pl.Int64))
        .with_columns(pl.col("kind").cast(_TRAIT_KIND))
        .select(_TRAIT_COLUMNS)
        .sort("date")
    )


def _preferences(calls: pl.LazyFrame, key: str) -> pl.LazyFrame:
    """One row per tool call that was given a text for a preference key."""
    given = pl.col("params").struct.field(key).str.strip_chars(" ").str.to_lowercase()
    return (
        calls.select("date", "user_id", value=given.str.head(PREFERENCE_CHARACTERS))
        .filter(pl.col("value") != "")
        .select(
            "date",
            "user_id",
            kind=pl.lit(PREFERENCE),
            name=pl.concat_str(pl.lit(f"{key}="), "value"),
        )
    )
