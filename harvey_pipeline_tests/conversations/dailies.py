"""Rows of `conversation_daily` for tests, in a line each."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, Final

import polars as pl

from harvey_pipeline.conversations.tables.sums import CONVERSATION_DAILY

Row = Mapping[str, Any]

MONDAY: Final = date(2024, 4, 22)

_COUNTS: Final = (
    *("messages", "user_messages", "tool_calls", "successful_calls", "creations", "attempts"),
    *("failures", "refusals", "completions", "sharing_events", "credits_used"),
    *("positive_messages", "loved_messages", "negative_messages", "repeated_prompts"),
)


def at(minutes: float = 0, day: date = MONDAY) -> datetime:
    """A moment of a day, so many minutes after midnight."""
    return datetime.combine(day, time()) + timedelta(minutes=minutes)


def daily(
    day: date = MONDAY, conversation: str = "c1", user: str = "u1", **values: Any
) -> dict[str, Any]:
    """A day of a conversation with an event at noon, and nothing else but what is given."""
    usual: Row = {
        "date": day,
        "conversation_id": conversation,
        "user_id": user,
        "events": 1,
        **dict.fromkeys(_COUNTS, 0),
        "use_case_messages": "{}",
        "tools_used": "{}",
        "first_event_at": at(720, day),
        "last_event_at": at(720, day),
        "feature_requests": [],
    }
    return {**usual, **values}


def dailies(rows: Sequence[Row]) -> pl.LazyFrame:
    return pl.LazyFrame(list(rows), schema=CONVERSATION_DAILY.polars_schema)
