"""The subject's sources: what happens in conversations, and the accounts of those who lead them."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import polars as pl

from harvey_pipeline.conversations.tables.labels import EVENT_TYPES, TEXT_CHARACTERS
from harvey_pipeline.landing.measures import word
from harvey_pipeline.landing.readers import (
    FLAG,
    ID,
    TIMESTAMP,
    WHOLE_NUMBER,
    Reader,
    clean,
    label,
)
from harvey_pipeline.landing.source import Column, Source
from harvey_pipeline.warehouse import columns as c

# --- content -------------------------------------------------------------------------------------

_LONE_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant)


def _what_is_read(content: dict[str, Any]) -> dict[str, Any]:
    """The keys of an event's content that have a meaning, where they hold what has one."""
    kept = {key: content[key] for key in ("role", "tool") if _is_text(content, key)}
    if _is_text(content, "message"):
        kept["message"] = content["message"][:TEXT_CHARACTERS]
    error = content.get("error")
    if isinstance(error, dict):
        error = next((error[key] for key in ("code", "message") if _is_text(error, key)), None)
    if isinstance(error, str):
        kept["error"] = error[:TEXT_CHARACTERS]
    params = content.get("params")
    if isinstance(params, dict):
        kept["params"] = {key: value for key, value in params.items() if isinstance(value, str)}
    return kept


def _is_text(found: dict[str, Any], key: str) -> bool:
    return isinstance(found.get(key), str)


def _read_content(text: str) -> str | None:
    """What is read of a JSON object, as a JSON object; None if the text is none.

    Half of a surrogate pair, which no text can hold, becomes the replacement character.
    """
    try:
        found = _DECODER.decode(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    kept = json.dumps(_what_is_read(found), ensure_ascii=False, separators=(",", ":"))
    return _LONE_SURROGATE.sub("\ufffd", kept) if "\\u" in text else kept


def _read_contents(text: pl.Series) -> pl.Series:
    values = [None if one is None else _read_content(one) for one in clean(text)]
    return pl.Series(text.name, values, dtype=pl.String)


CONTENT: Final = Reader(
    "JSON object, of which is kept what is read: the texts `role`, `message` and `tool`, `error` "
    f"(of an object its text `code`, else `message`), of `message` and `error` the first "
    f"{TEXT_CHARACTERS:,} characters, and the texts in the object `params`",
    pl.String(),
    _read_contents,
    lambda description, nullable, key: c.text(description, nullable=nullable, key=key),
    holds="json",
)

# --- columns -------------------------------------------------------------------------------------


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
