"""Rows that tests of the use of apps are made of: queries of a day, sign-ins, labels, starts."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any, Final

import polars as pl

from harvey_pipeline.landing.source import Source
from harvey_pipeline.segments.sources import SSO_EVENTS

DAY: Final = date(2024, 5, 6)

Row = dict[str, Any]


def at(seconds: float, day: date = DAY) -> datetime:
    """A moment of a day, so many seconds after midnight."""
    return datetime(day.year, day.month, day.day) + timedelta(seconds=seconds)


def sign_in(
    seconds: float = 0,
    app: str | None = "mail",
    user: str = "u1",
    tenant: str = "f1",
    *,
    event: str | None = None,
    day: date = DAY,
    drop: date | None = None,
    minutes: int | None = None,
    is_success: bool = True,
    device: str | None = None,
    location: str | None = None,
) -> Row:
    """An accepted event of single sign-on; without an id of its own it has one by its moment."""
    moment = at(seconds, day)
    return {
        "drop_date": drop or day,
        "event_id": event or f"{user}-{app}-{moment}-{is_success}-{device}",
        "published": moment,
        "event_date": day,
        "tenant_id": tenant,
        "actor_id": user,
        "outcome": "SUCCESS" if is_success else "FAILURE",
        "target_id": app,
        "session_minutes": minutes,
        "device": device,
        "location": location,
    }


def raw(source: Source, rows: Iterable[Row]) -> pl.LazyFrame:
    """Accepted rows of a source as its raw table has them, numbered in their order."""
    schema = source.table.polars_schema
    numbered = [{"line_number": line} | row for line, row in enumerate(rows, start=1)]
    columns = {name: [row.get(name) for row in numbered] for name in schema}
    return pl.LazyFrame(columns, schema=schema)


def signed_in(*rows: Row) -> pl.LazyFrame:
    return raw(SSO_EVENTS, rows)


def queries(
    assistant: int = 0,
    vault: int = 0,
    workflow: int = 0,
    *,
    seconds: float = 0,
    user: str = "u1",
    firm: str = "f1",
    day: date = DAY,
) -> Row:
    """A row of `core.user_daily_activity`, its last event so many seconds after the first."""
    return {
        "date": day,
        "user_id": user,
        "firm_id": firm,
        "queries": assistant + vault + workflow,
        "assistant_queries": assistant,
        "vault_queries": vault,
        "workflow_queries": workflow,
        "documents": 0,
        "feedback_sum": 0.0,
        "feedback_count": 0,
        "high_feedback": 0,
        "low_feedback": 0,
        "first_event_at": at(3600, day),
        "last_event_at": at(3600 + seconds, day),
    }
