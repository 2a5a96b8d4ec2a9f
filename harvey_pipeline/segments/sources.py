"""The subject's sources: sign-ins, who works for whom, licences, labels and interventions."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from harvey_pipeline.landing.measures import (
    NAME,
    decimal_between,
    whole_score,
    with_default,
    word,
)
from harvey_pipeline.landing.readers import ID, TIMESTAMP, Reader, decimal, label
from harvey_pipeline.landing.source import Column, Consequence, Source
from harvey_pipeline.segments.tables.labels import GROUPS, LABELS

SUCCESS: Final = "SUCCESS"
OUTCOMES: Final = (SUCCESS, "FAILURE")

MOST_SESSION_MINUTES: Final = 1440
"""A session is at most a day long."""

LABEL_DAYS: Final = 30
INTERVENTION_DAYS: Final = 120
"""Days within which what is said of a label, or of an intervention, counts."""

STANDARD_TIER: Final = "standard"

WORD: Final = word()


def _label(values: Sequence[str], suffix: str = "") -> Reader:
    """One of a few words; an object or array is none at all."""
    return replace(label(values, suffix), holds="id")


def _needed(
    name: str,
    reader: Reader,
    description: str,
    *,
    fault: str = "",
    unusable: Consequence = "reject",
) -> Column:
    """A column that the header must have, and a record a value in."""
    return Column(name, name, reader, description, fault or name, unusable=unusable)


def _optional(
    name: str, reader: Reader, description: str, *, fault: str = "", is_required: bool = False
) -> Column:
    """A column whose blanks are as good as a value; what is no value of it is repaired."""
    return Column(
        name,
        name,
        reader,
        description,
        fault or name,
        missing="keep",
        unusable="repair",
        is_required=is_required,
    )


_user = partial(_needed, "user_id", ID)


def _at(name: str, description: str) -> Column:
    return _needed(name, TIMESTAMP, description, fault="timestamp")


SSO_EVENTS: Final = Source(
    name="sso_events",
    kind="events",
    row="a sign-in by single sign-on",
    key=("event_id",),
    at="published",
    late_days=1,
    persons=("actor_id",),
    columns=(
        _needed("event_id", ID, "Event.", fault="id"),
        _at("published", "When it happened, UTC."),
        _needed("tenant_id", ID, "Tenant of the user: a firm."),
        _needed("actor_id", ID, "User who signed in.", fault="user_id"),
        _needed("outcome", _label(OUTCOMES), "Whether it succeeded."),
        _optional("target_id", WORD, "App that was signed in to; null of a sign-in without one."),
        _optional("event_type", NAME, "Type of the event as delivered."),
        _optional(
            "session_minutes",
            whole_score(0, MOST_SESSION_MINUTES),
            "Length of the session, minutes; null where it was not timed.",
        ),
        _optional("device", NAME, "Device as delivered."),
        _optional("location", NAME, "Location as delivered."),
    ),
)

EMPLOYEES: Final = Source(
    name="employees",
    kind="snapshot",
    row="an employee",
    key=("user_id",),
    at=None,
    persons=("user_id", "manager_id", "email"),
    columns=(
        _user("User."),
        _optional("manager_id", ID, "User who is the manager."),
        _optional("department", NAME, "Department as delivered."),
        _optional("email", WORD, "E-mail address, in lower case."),
        _optional("name", NAME, "Name."),
        _optional("tenant_id", ID, "Tenant: a firm."),
    ),
)

LICENSES: Final = Source(
    name="licenses",
    kind="snapshot",
    row="a licence of a user for an app",
    key=("user_id", "app"),
    at=None,
    persons=("user_id",),
    columns=(
        _user("Holder."),
        _needed("app", WORD, "App, in lower case."),
        _needed("annual_cost_usd", decimal(), "Cost, USD a year.", fault="annual_cost"),
        _optional("tier", with_default(WORD, STANDARD_TIER), "Tier, in lower case."),
    ),
)

SEGMENT_LABELS: Final = Source(
    name="segment_labels",
    kind="changes",
    row="a label as a drop shows it",
    key=("user_id", "event_date", "labelled_by"),
    at="labelled_on",
    late_days=LABEL_DAYS,
    persons=("user_id", "labelled_by"),
    columns=(
        _user("User who is labelled."),
        _needed(
            "label",
            _label(LABELS, suffix="user"),
            "What the user is said to be; `review` is a wish that someone looks.",
        ),
        _at("labelled_on", "When the label was given, UTC."),
        _optional(
            "labelled_by", with_default(NAME, ""), "Who gave it; the empty text where not told."
        ),
    ),
)

INTERVENTIONS: Final = Source(
    name="interventions",
    kind="changes",
    row="a start of an intervention as a drop shows it",
    key=("user_id", "event_date", "kind"),
    at="started_on",
    late_days=INTERVENTION_DAYS,
    persons=("user_id",),
    columns=(
        _user("User whom it is for."),
        _at("started_on", "When it started, UTC."),
        _needed("kind", WORD, "What is done, in lower case."),
        _needed("group", _label(GROUPS), "Whether the user gets it, or is compared with."),
        _optional("satisfaction", decimal_between(1, 5), "The user's satisfaction, 1 to 5."),
        _optional(
            "reported_hours_saved",
            decimal_between(0, 744),
            "Hours saved a month, as the user reports.",
            fault="hours",
        ),
    ),
)

SOURCES: Final = (SSO_EVENTS, EMPLOYEES, LICENSES, SEGMENT_LABELS, INTERVENTIONS)
