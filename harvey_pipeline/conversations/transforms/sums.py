"""From events to the sums on which everything downstream is built."""

from collections.abc import Callable, Iterator, Mapping, Sequence
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
from harvey_pipeline.conversations.transforms.numbering import numbered
from harvey_pipeline.conversations.transforms.reading import (
    SAID,
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

COUNTED: Final[Mapping[str, pl.Expr]] = {
    "messages": pl.col("is_message"),
    "user_messages": pl.col("is_user_message"),
    "tool_calls": pl.col("is_call"),
    "successful_calls": pl.col("is_success"),
    "creations": pl.col("is_creation"),
    "attempts": pl.col("is_call") | pl.col("is_failed"),
    "failures": pl.col("is_failed"),
    "refusals": pl.col("is_refusal"),
    "completions": pl.col("is_completion"),
    "sharing_events": pl.col("is_sharing"),
}
"""What is counted of events, by the name of the count: whether one, with what it says, is of it."""

_ADDED_UP: Final = ("events", *COUNTED, "credits_used", "loved_messages")
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


# --- what is said --------------------------------------------------------------------------------


def _number(events: pl.LazyFrame) -> tuple[pl.DataFrame, pl.LazyFrame]:
    """Events with `said`, a number, in place of what they say; and what is said, in that order.

    Much is said again and again, so that it is read once: what comes of it is looked up.
    """
    rows = events.select(
        "id",
        "timestamp",
        numbered("conversation_id"),
        numbered("user_id"),
        numbered("content"),
        numbered("tool_name"),
        "event_type",
        "success",
        date=EVENT_DATE,
        credits=pl.col("credits_consumed").cast(pl.Int64).fill_null(0),
    ).collect(engine="streaming")
    said = rows.select(SAID).unique().with_row_index("said")
    told = rows.join(said, on=SAID, how="left", nulls_equal=True).drop(SAID)
    texts = pl.col("content", "tool_name").cast(pl.String)
    return told, said.select(SAID).with_columns(texts).lazy()


def _told(events: pl.DataFrame, said: pl.LazyFrame) -> pl.DataFrame:
    """Events, as `_number` returns them, with what comes of what they say."""
    return events.hstack(said.collect().select(pl.all().gather(events["said"]))).drop("said")


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
    rows, said = _number(events)
    words = read_words(read_messages(read_outcomes(said, catalogue)), catalogue)
    told = _told(
        rows,
        words.select(
            *("tool", "error_type", "shown", "^is_.*$"),
            # Prompts are compared as numbers.
            prompt=numbered(pl.when(pl.col("normal") != "").then("normal")).to_physical(),
        ),
    )
    moment = pl.col("timestamp")
    parts = [
        told.group_by(_CONVERSATION).agg(
            pl.len().cast(pl.Int64).alias("events"),
            *(_count(condition).alias(name) for name, condition in COUNTED.items()),
            pl.col("credits").sum().alias("credits_used"),
            moment.min().alias("first_event_at"),
            moment.max().alias("last_event_at"),
            _last("is_message").alias("last_message_at"),
            _last("is_success").alias("last_success_at"),
            _last("is_failed").alias("last_failure_at"),
            _last("is_refusal").alias("last_refusal_at"),
        ),
        told.filter("is_user_message")
        .group_by(_CONVERSATION)
        .agg(
            _count("is_positive").alias("positive_messages"),
            _count("is_loved").alias("loved_messages"),
            _count("is_negative").alias("negative_messages"),
            *(_count(column).alias(column) for column in use_cases.values()),
        ),
        told.filter(pl.col("prompt").is_not_null())
        .filter(~pl.struct(*_CONVERSATION, "prompt").is_first_distinct())
        .group_by(_CONVERSATION)
        .agg(repeated_prompts=pl.len().cast(pl.Int64)),
        _in_order(told.filter("is_failed"))
        .group_by(_CONVERSATION)
        .agg(last_error_type=pl.col("error_type").last()),
        _in_order(told.filter(pl.col("shown") != ""))
        .group_by(_CONVERSATION)
        .agg(first_message=pl.col("shown").first()),
        _in_order(told.filter("is_request"))
        .group_by(_CONVERSATION)
        .agg(feature_requests=pl.col("shown").head(MOST_FEATURE_REQUESTS)),
        as_json_object(
            told.filter("is_call").group_by(*_CONVERSATION, "tool").agg(calls=pl.len()),
            _CONVERSATION,
            "tool",
            "calls",
            "tools_used",
        ),
    ]
    sums = parts[0]
    for part in parts[1:]:
        sums = sums.join(part, on=_CONVERSATION, how="left")
    of_some = ("positive_messages", "loved_messages", "negative_messages", "repeated_prompts")
    return (
        sums.with_columns(
            pl.col(*of_some, *use_cases.values()).fill_null(0),
            pl.col("tools_used").fill_null(EMPTY_OBJECT),
            pl.col("feature_requests").fill_null([]),
        )
        .with_columns(
            pl.col("conversation_id", "user_id").cast(pl.String),
            use_case_messages=counts_as_json(use_cases),
        )
        .select(_CONVERSATION_COLUMNS)
        .sort("date")
        .lazy()
    )


def _in_order(events: pl.DataFrame) -> pl.DataFrame:
    """Within a group rows keep their order, so that its first and last are known."""
    return events.sort("timestamp", "id")


def _last(condition: str) -> pl.Expr:
    return pl.when(condition).then("timestamp").max()


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
    rows, said = _number(events.filter(is_attempt))
    outcomes = read_outcomes(said, catalogue).select(
        "^is_.*$", numbered("tool"), error_type=numbered(pl.col("error_type").fill_null(""))
    )
    return (
        _told(rows, outcomes)
        .lazy()
        .group_by("date", "user_id", "tool", "error_type")
        .agg(
            calls=_count("is_call"),
            successes=_count("is_success"),
            failures=_count("is_failed"),
            credits_used=pl.col("credits").sum(),
        )
        .with_columns(
            pl.col("user_id", "error_type").cast(pl.String),
            tool_name=pl.col("tool").cast(pl.String),
        )
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
    rows, said = _number(events.filter(kind.is_in(["message", "tool_call"])))
    read = read_messages(read_outcomes(said.with_row_index("said"), catalogue)).collect()
    prompts = read.filter(pl.col("normal").str.contains(" ", literal=True)).select(
        "said", kind=pl.lit(PROMPT), name=pl.col("normal").str.head(TRAIT_CHARACTERS)
    )
    calls = read.filter("is_call")
    traits = pl.concat(
        [prompts, *(_preferences(calls, key) for key in catalogue.preference_keys)]
    ).with_columns(pl.col("kind").cast(_TRAIT_KIND), numbered("name"))
    return (
        rows.lazy()
        .join(traits.lazy(), on="said")
        .group_by("date", "user_id", "kind", "name")
        .agg(times=pl.len().cast(pl.Int64))
        .with_columns(pl.col("user_id", "name").cast(pl.String))
        .select(_TRAIT_COLUMNS)
        .sort("date")
    )


def _preferences(calls: pl.DataFrame, key: str) -> pl.DataFrame:
    """One row per tool call that was given a text for a preference key."""
    given = pl.col("params").struct.field(key).str.strip_chars(" ").str.to_lowercase()
    return (
        calls.select("said", value=given.str.head(PREFERENCE_CHARACTERS))
        .filter(pl.col("value") != "")
        .select("said", kind=pl.lit(PREFERENCE), name=pl.concat_str(pl.lit(f"{key}="), "value"))
    )
