"""Section 1: the two sources, and the history of accounts."""

import json
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from harvey_pipeline_tests.oracle.history import History, history_of, known_on
from harvey_pipeline_tests.oracle.landing import Load, Row
from harvey_pipeline_tests.oracle.sources import Field, Source
from harvey_pipeline_tests.oracle.values import TableRow, read_timestamp, read_whole_number

EVENT_TYPES = ("message", "tool_call", "error", "completion")
DEFAULT_LIMIT = 100

# --- Values ---------------------------------------------------------------------------------


def read_event_type(text: str) -> str | None:
    """One of four words, whatever its case."""
    return text.lower() if text.lower() in EVENT_TYPES else None


def read_flag(text: str) -> bool | None:
    """`true`, `t`, `1` or `false`, `f`, `0`, whatever their case."""
    word = text.lower()
    return True if word in ("true", "t", "1") else False if word in ("false", "f", "0") else None


def refuse_constant(name: str) -> None:
    """`NaN` and `Infinity` are not JSON."""
    raise ValueError(f"{name} is not JSON")


def read_content(text: str) -> str | None:
    """A text that holds a JSON object, as it stands."""
    return text if content_of(text) is not None else None


def content_of(text: str) -> dict[str, Any] | None:
    """The JSON object that a text holds; None where it holds none."""
    try:
        held = json.loads(text, parse_constant=refuse_constant)
    except (ValueError, RecursionError):
        return None
    return held if isinstance(held, dict) else None


# --- Columns --------------------------------------------------------------------------------


def opaque(column: str, name: str = "") -> Field:
    """An id that must be there."""
    return Field(column, name or column, str, "reject", is_id=True, takes_nested=False)


def word(column: str) -> Field:
    """A word or a name in small letters, which may be blank."""
    return Field(column, column, str.lower, is_required=False, takes_nested=False)


CONVERSATION_EVENTS = Source(
    "conversation_events",
    "events",
    (
        opaque("id", "event_id"),
        opaque("conversation_id"),
        opaque("user_id"),
        Field("timestamp", "timestamp", read_timestamp, "reject"),
        Field(
            "event_type",
            "event_type",
            read_event_type,
            "reject",
            unreadable_as="unknown_event_type",
            takes_nested=False,
        ),
        Field("content", "content", read_content, unreadable="repair", is_required=False),
        word("tool_name"),
        Field("success", "success", read_flag, unreadable="repair", is_required=False),
        Field(
            "credits_consumed",
            "credits_consumed",
            read_whole_number,
            unreadable="repair",
            noun="credits",
            is_required=False,
        ),
    ),
    key=("event_id",),
    at="timestamp",
    late_days=1,
)
ACCOUNTS = Source(
    "accounts",
    "snapshot",
    (
        opaque("user_id"),
        Field("email", "email", str.lower, takes_nested=False),
        Field("created", "account_created_at", read_timestamp, "reject", noun="timestamp"),
        Field(
            "credit_limit",
            "credit_limit",
            read_whole_number,
            unreadable="repair",
            is_required=False,
        ),
    ),
    key=("user_id",),
    at="account_created_at",
)
SOURCES: Sequence[Source] = (CONVERSATION_EVENTS, ACCOUNTS)

# --- Accounts -------------------------------------------------------------------------------

ATTRIBUTES = ("email", "account_created_at", "credit_limit")


def _attributes_of(row: Row) -> TableRow:
    return {name: row.values[name] for name in ATTRIBUTES}


def account_history(loads: Iterable[Load]) -> History:
    """The versions of each account."""
    return history_of(loads, _attributes_of)


def dim_account_table(accounts: History) -> list[TableRow]:
    """One row per version."""
    return [
        {
            "account_dim_key": f"{user_id}_{version.start:%Y%m%d}",
            "user_id": user_id,
            **version.attributes,
            "effective_start_date": version.start,
            "effective_end_date": version.end,
            "is_current": version.is_open,
        }
        for user_id, versions in accounts.items()
        for version in versions
    ]


def limit_on(accounts: History, user_id: str, day: date, default: int = DEFAULT_LIMIT) -> int:
    """A user's limit as of a day; the default one where none is known."""
    limit = known_on(accounts, user_id, day).get("credit_limit")
    return default if limit is None else int(limit)
