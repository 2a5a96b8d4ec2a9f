"""Rows of each day's sums and versions of accounts, in a line each."""

from datetime import date, datetime, time, timedelta
from typing import Any, Final

import polars as pl

Row = dict[str, Any]
Rows = list[Row]

DAY: Final = date(2024, 5, 31)
"""The last day of a month of 31 days; April before it has 30."""
OPEN_END: Final = date(9999, 12, 31)

USER_DAILY: Final[dict[str, Any]] = {
    "date": pl.Date,
    "user_id": pl.String,
    "messages": pl.Int64,
    "user_messages": pl.Int64,
    "tool_calls": pl.Int64,
    "creations": pl.Int64,
    "refusals": pl.Int64,
    "credits_used": pl.Int64,
    "sessions": pl.Int64,
    "session_seconds": pl.Int64,
    "last_event_at": pl.Datetime("us"),
}
CONVERSATION_DAILY: Final[dict[str, Any]] = {
    "date": pl.Date,
    "conversation_id": pl.String,
    "user_id": pl.String,
    "user_messages": pl.Int64,
    "creations": pl.Int64,
    "completions": pl.Int64,
    "use_case_messages": pl.String,
    "last_success_at": pl.Datetime("us"),
    "last_failure_at": pl.Datetime("us"),
}
TOOL_DAILY: Final[dict[str, Any]] = {
    "date": pl.Date,
    "user_id": pl.String,
    "tool_name": pl.String,
    "error_type": pl.String,
    "calls": pl.Int64,
}
TRAIT_DAILY: Final[dict[str, Any]] = {
    "date": pl.Date,
    "user_id": pl.String,
    "kind": pl.Enum(["prompt", "preference"]),
    "name": pl.String,
    "times": pl.Int64,
}
EXHAUSTION: Final[dict[str, Any]] = {
    "date": pl.Date,
    "user_id": pl.String,
    "is_exhausted": pl.Boolean,
}
ACCOUNTS: Final[dict[str, Any]] = {
    "user_id": pl.String,
    "email": pl.String,
    "account_created_at": pl.Datetime("us"),
    "credit_limit": pl.Int64,
    "effective_start_date": pl.Date,
    "effective_end_date": pl.Date,
}


def days_before(number: int) -> date:
    return DAY - timedelta(days=number)


def moment(ago: int, hour: int = 12) -> datetime:
    return datetime.combine(days_before(ago), time(hour))


def user_day(ago: int = 0, **changes: Any) -> Row:
    """A row of `user_daily` so many days before `DAY`: one event that is nothing in particular."""
    row: Row = {
        "date": days_before(ago),
        "user_id": "u1",
        "messages": 0,
        "user_messages": 0,
        "tool_calls": 0,
        "creations": 0,
        "refusals": 0,
        "credits_used": 0,
        "sessions": 1,
        "session_seconds": 0,
        "last_event_at": moment(ago),
    }
    return _changed(row, changes)


def talk(ago: int = 0, **changes: Any) -> Row:
    """A row of `conversation_daily` so many days before `DAY`."""
    row: Row = {
        "date": days_before(ago),
        "conversation_id": "c1",
        "user_id": "u1",
        "user_messages": 0,
        "creations": 0,
        "completions": 0,
        "use_case_messages": "{}",
        "last_success_at": None,
        "last_failure_at": None,
    }
    return _changed(row, changes)


def calls(ago: int = 0, tool: str = "search", number: int = 1, **changes: Any) -> Row:
    """A row of `tool_daily` so many days before `DAY`."""
    row: Row = {
        "date": days_before(ago),
        "user_id": "u1",
        "tool_name": tool,
        "error_type": "",
        "calls": number,
    }
    return _changed(row, changes)


def prompt(ago: int = 0, name: str = "find it", times: int = 1, **changes: Any) -> Row:
    """A row of `trait_daily` so many days before `DAY`."""
    row: Row = {
        "date": days_before(ago),
        "user_id": "u1",
        "kind": "prompt",
        "name": name,
        "times": times,
    }
    return _changed(row, changes)


def preference(ago: int = 0, name: str = "style=plain", times: int = 1, **changes: Any) -> Row:
    return prompt(ago, name, times, kind="preference") | changes


def exhaustion(ago: int = 0, is_exhausted: bool = True, **changes: Any) -> Row:
    """A row of `credit_exhaustion` so many days before `DAY`."""
    row: Row = {"date": days_before(ago), "user_id": "u1", "is_exhausted": is_exhausted}
    return _changed(row, changes)


def account(since: int = 200, until: int | None = None, **changes: Any) -> Row:
    """A version of an account, valid from and to so many days before `DAY`."""
    row: Row = {
        "user_id": "u1",
        "email": "u1@example.com",
        "account_created_at": moment(since),
        "credit_limit": None,
        "effective_start_date": days_before(since),
        "effective_end_date": OPEN_END if until is None else days_before(until),
    }
    return _changed(row, changes)


def _changed(row: Row, changes: Row) -> Row:
    assert changes.keys() <= row.keys()
    return row | changes
