"""The subject's sources: who uses the product, for whom, and what they ask."""

from typing import Final

from harvey_pipeline.engagement.tables.labels import EVENT_TYPES
from harvey_pipeline.landing.readers import (
    ID,
    TEXT,
    TIMESTAMP,
    WHOLE_NUMBER,
    decimal,
    label,
    score,
)
from harvey_pipeline.landing.source import Column, Source

USERS: Final = Source(
    name="users",
    kind="snapshot",
    row="a user",
    key=("user_id",),
    at="created_at",
    is_optional=False,
    persons=("user_id",),
    columns=(
        Column("id", "user_id", ID, "User, as delivered, blanks trimmed.", "id"),
        Column(
            "created", "created_at", TIMESTAMP, "When the account was created, UTC.", "timestamp"
        ),
        Column(
            "title",
            "title",
            TEXT,
            "Job title as delivered, blanks trimmed.",
            "title",
            missing="keep",
        ),
    ),
)

FIRMS: Final = Source(
    name="firms",
    kind="snapshot",
    row="a firm",
    key=("firm_id",),
    at="created_at",
    is_optional=False,
    columns=(
        Column("id", "firm_id", ID, "Firm, as delivered, blanks trimmed.", "id"),
        Column(
            "created", "created_at", TIMESTAMP, "When the firm became a customer, UTC.", "timestamp"
        ),
        Column("firm_size", "firm_size", WHOLE_NUMBER, "Provisioned seats.", "firm_size"),
        Column(
            "arr_in_thousands", "arr_usd", decimal(shift=3), "Annual contract value, USD.", "arr"
        ),
    ),
)

EVENTS: Final = Source(
    name="events",
    kind="events",
    row="a query",
    key=("event_id",),
    at="created_at",
    late_days=1,
    is_optional=False,
    persons=("user_id",),
    columns=(
        Column(
            "event_id",
            "event_id",
            ID,
            "Event, where ids are delivered.",
            "event_id",
            missing="keep",
            is_required=False,
        ),
        Column("created", "created_at", TIMESTAMP, "When the query was made, UTC.", "timestamp"),
        Column("user_id", "user_id", ID, "User who made the query.", "user_id"),
        Column("firm_id", "firm_id", ID, "Firm for which it was made.", "firm_id"),
        Column(
            "event_type",
            "event_type",
            label(EVENT_TYPES),
            "Feature that answered it.",
            "event_type",
        ),
        Column("num_docs", "num_docs", WHOLE_NUMBER, "Documents processed.", "num_docs"),
        Column(
            "feedback_score",
            "feedback_score",
            score(1, 5),
            "User's score, 1 to 5; null if none usable.",
            "feedback_score",
            missing="repair",
            unusable="repair",
        ),
    ),
)

SOURCES: Final = (USERS, FIRMS, EVENTS)
