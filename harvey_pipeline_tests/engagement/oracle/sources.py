"""Section 1: users, firms and events, and the history of the first two."""

from collections.abc import Iterable

from harvey_pipeline_tests.oracle.history import OPEN_END, History, history_of
from harvey_pipeline_tests.oracle.landing import Load, Row, raw_table
from harvey_pipeline_tests.oracle.sources import Field, Source
from harvey_pipeline_tests.oracle.values import (
    TableRow,
    read_decimal,
    read_timestamp,
    read_whole_number,
)

EVENT_TYPES = ("ASSISTANT", "VAULT", "WORKFLOW")


def read_event_type(text: str) -> str | None:
    """An event's type, whatever its case."""
    return text.upper() if text.upper() in EVENT_TYPES else None


def read_arr_usd(text: str) -> float | None:
    """`arr_in_thousands`, kept in USD."""
    number = read_decimal(text)
    try:
        return None if number is None else float(number * 1000)
    except OverflowError:
        return None


def read_hundredths(text: str) -> int | None:
    """`feedback_score` is from 1 to 5, at most 2 decimals besides zeros at the end."""
    number = read_decimal(text)
    if number is None or text.startswith(".") or (100 * number).denominator != 1:
        return None
    return int(100 * number) if 1 <= number <= 5 else None


CREATED = Field("created", "created_at", read_timestamp, "reject", noun="timestamp")
USERS = Source(
    "users",
    "snapshot",
    (
        Field("id", "user_id", str, "reject", is_id=True, takes_nested=False),
        CREATED,
        Field("title", "title", str),
    ),
    key=("user_id",),
    at="created_at",
)
FIRMS = Source(
    "firms",
    "snapshot",
    (
        Field("id", "firm_id", str, "reject", is_id=True, takes_nested=False),
        CREATED,
        Field("firm_size", "firm_size", read_whole_number, "reject"),
        Field("arr_in_thousands", "arr_usd", read_arr_usd, "reject", noun="arr"),
    ),
    key=("firm_id",),
    at="created_at",
)
EVENTS = Source(
    "events",
    "events",
    (
        Field("user_id", "user_id", str, "reject", is_id=True, takes_nested=False),
        Field("firm_id", "firm_id", str, "reject", is_id=True, takes_nested=False),
        CREATED,
        Field(
            "event_type",
            "event_type",
            read_event_type,
            "reject",
            unreadable_as="unknown_event_type",
        ),
        Field("num_docs", "num_docs", read_whole_number, "reject"),
        Field("feedback_score", "feedback_hundredths", read_hundredths, "repair", "repair"),
        Field("event_id", "event_id", str, is_required=False, is_id=True, takes_nested=False),
    ),
    key=("event_id",),
    at="created_at",
    late_days=1,
)
SOURCES = (USERS, FIRMS, EVENTS)


def raw_events_table(loads: Iterable[Load]) -> list[TableRow]:
    """Accepted events, with their scores as numbers."""
    table = raw_table(loads)
    for row in table:
        hundredths = row.pop("feedback_hundredths")
        row["feedback_score"] = None if hundredths is None else hundredths / 100
    return table


def user_history(loads: Iterable[Load]) -> History:
    """Versions of users."""

    def attributes_of(row: Row) -> TableRow:
        assert row.created_at is not None
        return {
            "user_role": row.values["title"],
            "user_created_date": row.created_at.date(),
        }

    return history_of(loads, attributes_of)


def firm_history(loads: Iterable[Load]) -> History:
    """Versions of firms."""

    def attributes_of(row: Row) -> TableRow:
        assert row.created_at is not None
        return {
            "firm_size": row.values["firm_size"],
            "arr_usd": row.values["arr_usd"],
            "firm_created_date": row.created_at.date(),
        }

    return history_of(loads, attributes_of)


def dimension_table(history: History, entity: str) -> list[TableRow]:
    """One row per version, keyed by natural key and start; open versions end 9999-12-31."""
    return [
        {
            f"{entity}_dim_key": f"{version.key}_{version.start:%Y%m%d}",
            f"{entity}_id": version.key,
            **version.attributes,
            "effective_start_date": version.start,
            "effective_end_date": version.end,
            "is_current": version.end == OPEN_END,
        }
        for versions in history.values()
        for version in versions
    ]
