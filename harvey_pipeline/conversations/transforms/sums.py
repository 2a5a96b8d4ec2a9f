"""From events to the sums on which everything downstream is built."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import partial
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
from harvey_pipeline.landing.source import EVENT_DATE
from harvey_pipeline.landing.sums import EventSums, SumsOfDays, add_up
from harvey_pipeline.warehouse.days import DayRange, is_dated

_CONVERSATION_COLUMNS: Final = list(CONVERSATION_DAILY.polars_schema)
_USER_COLUMNS: Final = list(USER_DAILY.polars_schema)
_TOOL_COLUMNS: Final = list(TOOL_DAILY.polars_schema)
_TRAIT_COLUMNS: Final = list(TRAIT_DAILY.polars_schema)
_TRAIT_KIND: Final = TRAIT_DAILY.polars_schema["kind"]

_CONVERSATION: Final = ("date", "conversation_id", "user_id")
_USER: Final = ("date", "user_id")

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

_COUNTS: Final = ("events", *COUNTED, "credits_used")
_OF_SOME: Final = ("positive_messages", "loved_messages", "negative_messages", "prompted")
"""Counts of a conversation's sums: of all events, and of the user's messages."""

_OF_USE_CASES: Final = use_case_column("")
"""What the columns of counts by use case begin with."""

_ADDED_UP: Final = (*_COUNTS, "loved_messages")
"""Sums of a user's conversations that are the user's own."""


# --- blocks --------------------------------------------------------------------------------------


def sums_by_block(
    events: SumsOfDays, days: Sequence[date], block_events: int = _BLOCK_EVENTS
) -> Iterator[tuple[Sequence[date], pl.LazyFrame]]:
    """Consecutive days with the sums of their events, as many days as a block may hold.

    Args:
        events: Sums of the days.
        days: The days wanted, ascending.
        block_events: Events that a block of more than one day may hold.
    """
    counted = events.count_events()
    block: list[date] = []
    held = 0
    for day in days:
        if block and held + counted.get(day, 0) > block_events:
            yield block, events.of(DayRange(block[0], block[-1]))
            block, held = [], 0
        block.append(day)
        held += counted.get(day, 0)
    if block:
        yield block, events.of(DayRange(block[0], block[-1]))


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


def sum_conversations(events: SumsOfDays, days: Sequence[date]) -> Iterator[pl.LazyFrame]:
    """`conversation_daily` of some days, in blocks.

    Args:
        events: `conversation_sums` of the days.
        days: The days, ascending.
    """
    for _, sums in sums_by_block(events, days):
        yield _tell_conversations(sums.collect(engine="streaming"))


def conversation_sums(catalogue: Catalogue) -> EventSums:
    """One row per (`date`, `conversation_id`, `user_id`), events read by some words.

    What is the first or the last of several stands beside its moment and id; `prompts` and `tools`
    are lists in no order.
    """
    read = partial(_sum_conversations, catalogue=catalogue)
    return EventSums(CONVERSATION_DAILY.name, CONVERSATION_EVENTS, read, _merge_conversations)


def _sum_conversations(events: pl.LazyFrame, catalogue: Catalogue) -> pl.LazyFrame:
    use_cases = [use_case_column(name) for name in (*catalogue.use_case_names, OTHER)]
    rows, said = _number(events)
    words = read_words(read_messages(read_outcomes(said, catalogue)), catalogue)
    told = _told(
        rows,
        words.select(
            *("tool", "error_type", "shown", "^is_.*$"),
            # Prompts are compared as numbers.
            prompt=numbered(pl.when(pl.col("normal") != "").then("normal")),
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
            *(_count(column).alias(column) for column in use_cases),
        ),
        told.filter(pl.col("prompt").is_not_null())
        .group_by(_CONVERSATION)
        .agg(prompted=pl.len().cast(pl.Int64), prompts=pl.col("prompt").unique()),
        _in_order(told.filter("is_failed"))
        .group_by(_CONVERSATION)
        .agg(last_error_id=pl.col("id").last(), last_error_type=pl.col("error_type").last()),
        _in_order(told.filter(pl.col("shown") != ""))
        .group_by(_CONVERSATION)
        .agg(
            first_message_at=moment.first(),
            first_message_id=pl.col("id").first(),
            first_message=pl.col("shown").first(),
        ),
        _in_order(told.filter("is_request"))
        .group_by(_CONVERSATION)
        .agg(requests=pl.struct("timestamp", "id", "shown").head(MOST_FEATURE_REQUESTS)),
        told.filter("is_call")
        .group_by(*_CONVERSATION, "tool")
        .agg(calls=pl.len().cast(pl.Int64))
        .group_by(_CONVERSATION)
        .agg(tools=pl.struct("tool", "calls")),
    ]
    sums = parts[0]
    for part in parts[1:]:
        sums = sums.join(part, on=_CONVERSATION, how="left")
    return sums.lazy().with_columns(
        pl.col(*_OF_SOME, *use_cases).fill_null(0),
        pl.col("conversation_id", "user_id").cast(pl.String),
        pl.col("prompts").cast(pl.List(pl.String)).fill_null([]),
        pl.col("requests").fill_null([]),
    )


def _merge_conversations(sums: pl.LazyFrame) -> pl.LazyFrame:
    lasts = ("last_event_at", "last_message_at", "last_success_at", "last_failure_at")
    error, message = ("last_failure_at", "last_error_id"), ("first_message_at", "first_message_id")
    tools = (
        sums.select(*_CONVERSATION, "tools")
        .explode("tools")
        .drop_nulls("tools")
        .unnest("tools")
        .group_by(*_CONVERSATION, "tool")
        .agg(pl.col("calls").sum())
        .group_by(_CONVERSATION)
        .agg(tools=pl.struct("tool", "calls"))
    )
    return (
        sums.group_by(_CONVERSATION)
        .agg(
            pl.col(*_COUNTS, *_OF_SOME, f"^{_OF_USE_CASES}.*$").sum(),
            pl.col("first_event_at").min(),
            pl.col(*lasts, "last_refusal_at").max(),
            # Without one, its moment is null, and nulls come before all others, or after them.
            pl.col("last_error_id", "last_error_type").sort_by(error).last(),
            pl.col("first_message_at", "first_message_id", "first_message")
            .sort_by(message, nulls_last=True)
            .first(),
            pl.col("prompts", "requests").explode().drop_nulls(),
        )
        .with_columns(
            pl.col("prompts").list.unique(),
            pl.col("requests").list.sort().list.head(MOST_FEATURE_REQUESTS),
        )
        .join(tools, on=_CONVERSATION, how="left")
        .select(sums.collect_schema().names())
    )


def _tell_conversations(sums: pl.DataFrame) -> pl.LazyFrame:
    """Rows of the table of `conversation_sums`."""
    of_use_cases = [name for name in sums.columns if name.startswith(_OF_USE_CASES)]
    use_cases = {name.removeprefix(_OF_USE_CASES): name for name in of_use_cases}
    calls = sums.select(*_CONVERSATION, "tools").explode("tools").drop_nulls("tools")
    tools = as_json_object(calls.unnest("tools"), _CONVERSATION, "tool", "calls", "tools_used")
    shown = pl.col("requests").list.eval(pl.element().struct.field("shown"))
    return (
        sums.join(tools, on=_CONVERSATION, how="left")
        .with_columns(
            pl.col("tools_used").fill_null(EMPTY_OBJECT),
            repeated_prompts=pl.col("prompted") - pl.col("prompts").list.len(),
            feature_requests=shown,
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
    conversations: pl.LazyFrame, sessions: SumsOfDays, days: Sequence[date]
) -> Iterator[pl.LazyFrame]:
    """`user_daily` of some days, in blocks.

    Args:
        conversations: `conversation_daily` of the days.
        sessions: `SESSIONS` of the days.
        days: The days, ascending.
    """
    for block, of_block in sums_by_block(sessions, days):
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
        counted = of_block.group_by(_USER).agg(
            sessions=pl.len().cast(pl.Int64),
            session_seconds=(pl.col("ends") - pl.col("begins")).dt.total_seconds().sum(),
        )
        yield sums.join(counted, on=_USER, how="left").select(_USER_COLUMNS).sort("date")


def _find_sessions(events: pl.LazyFrame) -> pl.LazyFrame:
    """One row per session: `date` and `user_id`, and when it `begins` and `ends`."""
    moments = events.select("user_id", date=EVENT_DATE, begins="timestamp", ends="timestamp")
    return _join_sessions(moments.sort(*_USER, "begins"), pl.col("ends").shift(1))


def _merge_sessions(sessions: pl.LazyFrame) -> pl.LazyFrame:
    """Sessions of several sets of events as those of all: what lies close together is one."""
    # One that begins earlier may end later than the one before.
    before = pl.col("ends").cum_max().shift(1).over(_USER)
    return _join_sessions(sessions.sort(*_USER, "begins"), before)


def _join_sessions(sessions: pl.LazyFrame, end_before: pl.Expr) -> pl.LazyFrame:
    """Sessions in order, joined with those before them unless there is a gap between them."""
    is_same_user = pl.all_horizontal(pl.col(name) == pl.col(name).shift(1) for name in _USER)
    gap = pl.col("begins") - end_before
    goes_on = is_same_user & (gap <= pl.duration(minutes=SESSION_GAP_MINUTES))
    return (
        sessions.with_columns(session=(~goes_on.fill_null(False)).cum_sum())
        .group_by(*_USER, "session")
        .agg(pl.col("begins").min(), pl.col("ends").max())
        .select(*_USER, "begins", "ends")
    )


SESSIONS: Final = EventSums(USER_DAILY.name, CONVERSATION_EVENTS, _find_sessions, _merge_sessions)
"""One row per session of a user on a `date`, from its first moment to its last.

Any set of a user's moments leaves, of those of all, sessions that are apart in it: no gap between
two that are close together is longer than one that ends a session.
"""


# --- tools and traits ----------------------------------------------------------------------------


def sum_tools(events: SumsOfDays, days: Sequence[date]) -> Iterator[pl.LazyFrame]:
    """`tool_daily` of some days, in blocks.

    Args:
        events: `tool_sums` of the days.
        days: The days, ascending.
    """
    for _, sums in sums_by_block(events, days):
        yield sums.select(_TOOL_COLUMNS).sort("date")


def tool_sums(catalogue: Catalogue) -> EventSums:
    """One row per (`date`, `user_id`, `tool_name`, `error_type`), events read by some words."""
    read = partial(_sum_tools, catalogue=catalogue)
    return EventSums(TOOL_DAILY.name, CONVERSATION_EVENTS, read, _merge_tools)


def _merge_tools(sums: pl.LazyFrame) -> pl.LazyFrame:
    return add_up(sums, TOOL_DAILY.key)


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
    )


def sum_traits(events: SumsOfDays, days: Sequence[date]) -> Iterator[pl.LazyFrame]:
    """`trait_daily` of some days, in blocks.

    Args:
        events: `trait_sums` of the days.
        days: The days, ascending.
    """
    for _, sums in sums_by_block(events, days):
        yield sums.select(_TRAIT_COLUMNS).sort("date")


def trait_sums(catalogue: Catalogue) -> EventSums:
    """One row per (`date`, `user_id`, `kind`, `name`), events read by some words."""
    read = partial(_sum_traits, catalogue=catalogue)
    return EventSums(TRAIT_DAILY.name, CONVERSATION_EVENTS, read, _merge_traits)


def _merge_traits(sums: pl.LazyFrame) -> pl.LazyFrame:
    return add_up(sums, TRAIT_DAILY.key)


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
    )


def _preferences(calls: pl.DataFrame, key: str) -> pl.DataFrame:
    """One row per tool call that was given a text for a preference key."""
    given = pl.col("params").struct.field(key).str.strip_chars(" ").str.to_lowercase()
    return (
        calls.select("said", value=given.str.head(PREFERENCE_CHARACTERS))
        .filter(pl.col("value") != "")
        .select("said", kind=pl.lit(PREFERENCE), name=pl.concat_str(pl.lit(f"{key}="), "value"))
    )
