"""What a model reads of a conversation: what its user wrote, and what failed."""

from datetime import timedelta
from typing import Final

import polars as pl

from harvey_pipeline.conversations.sources import CONVERSATION_EVENTS
from harvey_pipeline.conversations.transforms.reading import (
    Catalogue,
    read_messages,
    read_outcomes,
)
from harvey_pipeline.landing.repeats import first_deliveries
from harvey_pipeline.landing.source import EVENT_DATE
from harvey_pipeline.warehouse.days import DayRange, is_dated

_TEXT_CHARACTERS: Final = 500
_MOST_AT_AN_END: Final = 20

_CONVERSATION: Final = ["conversation_id", "user_id"]


def drops_of_rows(rows: pl.DataFrame) -> DayRange:
    """The drops that may hold events of some rows of `conversations`, of which there has to be one.

    Args:
        rows: With `date` and `last_event_at`.
    """
    first, last = rows.select(
        pl.col("date").min(), last=pl.col("last_event_at").max().dt.date()
    ).row(0)
    return DayRange(first, last + timedelta(days=CONVERSATION_EVENTS.late_days))


def tell_inputs(events: pl.LazyFrame, rows: pl.DataFrame, catalogue: Catalogue) -> pl.DataFrame:
    """The first and the last 20 of each row's user messages and failed events, in their order.

    A failed message of the user is both.

    Args:
        events: `raw.raw_conversation_events` of the drops that `drops_of_rows` names.
        rows: Rows of `conversations.conversations`.
        catalogue: The words by which events are read.

    Returns:
        One row per event that counts: `conversation_key`, and `text` of a message, redacted, at
        most 500 characters, or `tool` and `error` of a failure; the others are null.
    """
    drops = drops_of_rows(rows)
    wanted = rows.lazy().select(
        *_CONVERSATION, "conversation_key", begins="date", ends=pl.col("last_event_at").dt.date()
    )
    own = (
        first_deliveries(
            CONVERSATION_EVENTS, events.filter(is_dated(drops.first, drops.last, EVENT_DATE))
        )
        .join(wanted, on=_CONVERSATION)
        .filter(pl.col(EVENT_DATE).is_between(pl.col("begins"), pl.col("ends")))
    )
    read = (
        read_messages(read_outcomes(own, catalogue))
        .select(
            "conversation_key",
            "timestamp",
            "id",
            "is_user_message",
            "is_failed",
            "tool",
            "error_type",
            text=pl.col("text").str.head(_TEXT_CHARACTERS),
        )
        .filter(pl.col("is_user_message") | pl.col("is_failed"))
        .collect(engine="streaming")
    )
    nothing = pl.lit(None, pl.String)
    order = ["timestamp", "id"]
    written = read.filter("is_user_message").select(
        "conversation_key", *order, "text", tool=nothing, error=nothing
    )
    failed = read.filter("is_failed").select(
        "conversation_key", *order, text=nothing, tool="tool", error="error_type"
    )
    place = pl.int_range(pl.len()).over("conversation_key")
    before_end = pl.len().over("conversation_key") - place
    return (
        pl.concat([written, failed])
        .sort("conversation_key", *order, pl.col("text").is_null())
        .filter((place < _MOST_AT_AN_END) | (before_end <= _MOST_AT_AN_END))
        .select("conversation_key", "text", "tool", "error")
    )
