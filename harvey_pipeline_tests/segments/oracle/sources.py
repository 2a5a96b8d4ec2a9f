"""Section 1: the five sources, the history of two of them, and the facts of two others."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from typing import Any

from harvey_pipeline_tests.oracle.history import History, Version, history_of
from harvey_pipeline_tests.oracle.landing import Load, Row
from harvey_pipeline_tests.oracle.sources import Consequence, Field, Source
from harvey_pipeline_tests.oracle.values import (
    TableRow,
    read_decimal,
    read_timestamp,
    read_whole_number,
)

LABELS = ("power", "regular", "casual", "review")
GROUPS = ("treatment", "control")
LONGEST_SESSION_MINUTES = 1440
MOST_HOURS = 744

# --- Values ---------------------------------------------------------------------------------


def read_outcome(text: str) -> str | None:
    """`SUCCESS` or `FAILURE`, whatever its case."""
    return text.upper() if text.upper() in ("SUCCESS", "FAILURE") else None


def read_minutes(text: str) -> int | None:
    """A whole number of minutes, a day at most."""
    number = read_whole_number(text)
    return number if number is not None and number <= LONGEST_SESSION_MINUTES else None


def read_cost(text: str) -> float | None:
    """A decimal number."""
    number = read_decimal(text)
    try:
        return None if number is None else float(number)
    except OverflowError:
        return None


def read_label(text: str) -> str | None:
    """One of four words, whatever its case, with or without ` user` after it."""
    word = text.lower().removesuffix(" user")
    return word if word in LABELS else None


def read_group(text: str) -> str | None:
    """`treatment` or `control`, whatever its case."""
    return text.lower() if text.lower() in GROUPS else None


def number_from(lowest: int, highest: int) -> Callable[[str], float | None]:
    """Reads a decimal number between two, both included."""

    def read(text: str) -> float | None:
        number = read_decimal(text)
        return float(number) if number is not None and lowest <= number <= highest else None

    return read


# --- Columns --------------------------------------------------------------------------------


def opaque(
    column: str,
    name: str = "",
    missing: Consequence = "reject",
    noun: str = "",
    is_required: bool = True,
) -> Field:
    """An id."""
    return Field(
        column,
        name or column,
        str,
        missing,
        noun=noun,
        is_required=is_required,
        is_id=True,
        takes_nested=False,
    )


def moment(column: str) -> Field:
    """When it was."""
    return Field(column, column, read_timestamp, "reject", noun="timestamp")


def text(
    column: str,
    read: Callable[[str], Any] = str,
    missing: Consequence = "keep",
    default: Any = None,
    is_required: bool = False,
) -> Field:
    """A name or words of any kind."""
    return Field(
        column,
        column,
        read,
        missing,
        default=default,
        is_required=is_required,
        takes_nested=False,
    )


def word(column: str, read: Callable[[str], str | None]) -> Field:
    """One word of a few."""
    return Field(
        column, column, read, "reject", unreadable_as=f"unknown_{column}", takes_nested=False
    )


def optional_number(column: str, read: Callable[[str], Any], noun: str = "") -> Field:
    """A number that may be blank."""
    return Field(column, column, read, unreadable="repair", noun=noun, is_required=False)


def add_date(values: TableRow, created_at: datetime | None, _: date | None) -> list[str]:
    """Adds `on`, the UTC date of when it was, by which rows are told apart."""
    values["on"] = None if created_at is None else created_at.date()
    return []


SSO_EVENTS = Source(
    "sso_events",
    "events",
    (
        opaque("event_id", noun="id"),
        moment("published"),
        opaque("tenant_id"),
        opaque("actor_id", "user_id", noun="user_id"),
        word("outcome", read_outcome),
        text("target_id", str.lower),
        text("event_type"),
        optional_number("session_minutes", read_minutes),
        text("device"),
        text("location"),
    ),
    key=("event_id",),
    at="published",
    late_days=1,
)
EMPLOYEES = Source(
    "employees",
    "snapshot",
    (
        opaque("user_id"),
        opaque("manager_id", missing="keep", is_required=False),
        text("department"),
        text("email", str.lower),
        text("name"),
        opaque("tenant_id", missing="keep", is_required=False),
    ),
    key=("user_id",),
    at=None,
)
LICENSES = Source(
    "licenses",
    "snapshot",
    (
        opaque("user_id"),
        text("app", str.lower, "reject", is_required=True),
        Field("annual_cost_usd", "annual_cost_usd", read_cost, "reject", noun="annual_cost"),
        text("tier", str.lower, default="standard"),
    ),
    key=("user_id", "app"),
    at=None,
)
SEGMENT_LABELS = Source(
    "segment_labels",
    "changes",
    (
        opaque("user_id"),
        word("label", read_label),
        moment("labelled_on"),
        text("labelled_by", default=""),
    ),
    key=("user_id", "on", "labelled_by"),
    at="labelled_on",
    late_days=30,
    settle=add_date,
)
INTERVENTIONS = Source(
    "interventions",
    "changes",
    (
        opaque("user_id"),
        moment("started_on"),
        text("kind", str.lower, "reject", is_required=True),
        word("group", read_group),
        optional_number("satisfaction", number_from(1, 5)),
        optional_number("reported_hours_saved", number_from(0, MOST_HOURS), noun="hours"),
    ),
    key=("user_id", "on", "kind"),
    at="started_on",
    late_days=120,
    settle=add_date,
)
SOURCES: Sequence[Source] = (SSO_EVENTS, EMPLOYEES, LICENSES, SEGMENT_LABELS, INTERVENTIONS)

# --- Histories ------------------------------------------------------------------------------

EMPLOYEE_ATTRIBUTES = ("manager_id", "department", "email", "name", "tenant_id")
LICENSE_ATTRIBUTES = ("tier", "annual_cost_usd")


def tracked(*names: str) -> Callable[[Row], TableRow]:
    """What a row tells of its key."""
    return lambda row: {name: row.values[name] for name in names}


def employee_history(loads: Iterable[Load]) -> History:
    return history_of(loads, tracked(*EMPLOYEE_ATTRIBUTES))


def license_history(loads: Iterable[Load]) -> History:
    """By user and app."""
    return history_of(loads, tracked(*LICENSE_ATTRIBUTES))


def _versioned(version: Version) -> TableRow:
    return {
        **version.attributes,
        "effective_start_date": version.start,
        "effective_end_date": version.end,
        "is_current": version.is_open,
    }


def dim_employee_table(employees: History) -> list[TableRow]:
    """One row per version."""
    return [
        {
            "employee_dim_key": f"{user_id}_{version.start:%Y%m%d}",
            "user_id": user_id,
            **_versioned(version),
        }
        for user_id, versions in employees.items()
        for version in versions
    ]


def dim_license_table(licenses: History) -> list[TableRow]:
    """One row per version."""
    return [
        {
            "license_dim_key": f"{user_id}_{app}_{version.start:%Y%m%d}",
            "user_id": user_id,
            "app": app,
            **_versioned(version),
        }
        for (user_id, app), versions in licenses.items()
        for version in versions
    ]


# --- Facts ----------------------------------------------------------------------------------


def latest_deliveries(loads: Iterable[Load], days: Sequence[date]) -> list[Row]:
    """Of each key the row of the latest drop; rows of days not run are left out."""
    latest: dict[Any, Row] = {}
    for each in sorted(loads, key=lambda each: each.day):
        for row in each.accepted if each.is_observed else []:
            latest[row.key] = row
    days_run = set(days)
    return [row for row in latest.values() if row.values["on"] in days_run]


def labels_table(loads: Iterable[Load], days: Sequence[date]) -> list[TableRow]:
    """One row per day, user and who said so."""
    return [
        {
            "date": row.values["on"],
            "user_id": row.values["user_id"],
            "labelled_by": row.values["labelled_by"],
            "label": row.values["label"],
        }
        for row in latest_deliveries(loads, days)
    ]


def intervention_starts_table(loads: Iterable[Load], days: Sequence[date]) -> list[TableRow]:
    """One row per day, user and kind."""
    columns = ("user_id", "kind", "group", "satisfaction", "reported_hours_saved")
    return [
        {"date": row.values["on"], **{name: row.values[name] for name in columns}}
        for row in latest_deliveries(loads, days)
    ]
