"""Raw events of conversations for tests, in a line each."""

import json
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any

import polars as pl

from harvey_pipeline.conversations.catalogue import read_catalogue
from harvey_pipeline.conversations.content import CONTENT
from harvey_pipeline.conversations.sources import CONVERSATION_EVENTS

DAY = date(2024, 4, 23)
CATALOGUE = read_catalogue()

Event = Mapping[str, Any]


def at(minutes: float = 0, day: date = DAY) -> datetime:
    """A moment of a day, so many minutes after midnight."""
    return datetime.combine(day, time()) + timedelta(minutes=minutes)


def event(kind: str = "message", content: Any = None, **values: Any) -> Event:
    """An event as a drop delivers it; its content is a text, or what becomes JSON."""
    text = content if content is None or isinstance(content, str) else json.dumps(content)
    return {"event_type": kind, "content": text, **values}


def said(text: str, **values: Any) -> Event:
    """A message that the user wrote."""
    return event("message", {"role": "user", "message": text}, **values)


def call(tool: str | None = "search", params: Any = None, **values: Any) -> Event:
    """A tool call; it succeeds unless it is said not to."""
    content = None if params is None else {"params": params}
    return event("tool_call", content, **{"tool_name": tool, "success": True, **values})


def failed(error: Any = "boom", **values: Any) -> Event:
    return event("error", {"error": error}, **values)


def raw_events(*events: Event) -> pl.LazyFrame:
    """`raw.raw_conversation_events`: without other values one conversation of one user, a minute
    apart, with ids in order."""
    rows = [
        {
            "drop_date": DAY,
            "line_number": number,
            "id": f"e{number:03}",
            "conversation_id": "c1",
            "user_id": "u1",
            "timestamp": at(number),
            "tool_name": None,
            "success": None,
            "credits_consumed": None,
            **one,
        }
        for number, one in enumerate(events)
    ]
    dated = [{**row, "event_date": row["timestamp"].date()} for row in rows]
    schema = CONVERSATION_EVENTS.table.polars_schema
    columns = {name: [row[name] for row in dated] for name in schema}
    return pl.LazyFrame(columns, schema=schema).with_columns(CONTENT(pl.col("content")))
