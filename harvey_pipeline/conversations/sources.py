"""The subject's sources: what happens in conversations, and the accounts of those who lead them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from harvey_pipeline.conversations.content import CONTENT
from harvey_pipeline.conversations.tables.labels import EVENT_TYPES
from harvey_pipeline.landing.measures import word
from harvey_pipeline.landing.readers import (
    FLAG,
    ID,
    TIMESTAMP,
    WHOLE_NUMBER,
    Reader,
    label,
)
from harvey_pipeline.landing.source import Column, Source


def _label(values: Sequence[str]) -> Reader:
    """One of a few words; an object or array is none at all."""
    return replace(label(values), holds="id")


def _needed(name: str, reader: Reader, description: str, *, fault: str = "") -> Column:
    """A column that the header must have, and a record a value in."""
    return Column(name, name, reader, description, fault or name)


def _optional_as(is_required: bool) -> Callable[..., Column]:
    def column(name: str, reader: Reader, description: str, *, fault: str = "") -> Column:
        """A column whose blanks are null, and so is, repaired, what is no value of it."""
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

    return column


_optional = _optional_as(is_required=False)
_blank_or_given = _optional_as(is_required=True)

CONVERSATION_EVENTS: Final = Source(
    name="conversation_events",
    kind="events",
    row="an event of a conversation",
    key=("id",),
    at="timestamp",
    late_days=1,
    persons=("user_id",),
    columns=(
        _needed("id", ID, "Event."),
        _needed("conversation_id", ID, "Conversation."),
        _needed("user_id", ID, "User."),
        _needed("timestamp", TIMESTAMP, "When it happened, UTC."),
        _needed("event_type", _label(EVENT_TYPES), "What it is."),
        _optional("content", CONTENT, "What is read of its content; null of an event without one."),
        _optional("tool_name", word(), "Tool as delivered, in lower case; null where not named."),
        _optional("success", FLAG, "Whether it succeeded; null where not told."),
        _optional(
            "credits_consumed",
            WHOLE_NUMBER,
            "Credits that it took; null where not told, which counts as none.",
            fault="credits",
        ),
    ),
)

ACCOUNTS: Final = Source(
    name="accounts",
    kind="snapshot",
    row="an account",
    key=("user_id",),
    at="created",
    persons=("user_id", "email"),
    columns=(
        _needed("user_id", ID, "User."),
        _blank_or_given("email", word(), "E-mail address, in lower case."),
        _needed("created", TIMESTAMP, "When the account was created, UTC.", fault="timestamp"),
        _optional(
            "credit_limit",
            WHOLE_NUMBER,
            "Credits a month; null where the general limit holds.",
        ),
    ),
)

SOURCES: Final = (CONVERSATION_EVENTS, ACCOUNTS)
