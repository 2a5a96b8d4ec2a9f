"""Section 2: what an event says."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any

from harvey_pipeline_tests.conversations.oracle.catalogue import Catalogue
from harvey_pipeline_tests.conversations.oracle.sources import content_of
from harvey_pipeline_tests.oracle.landing import Load
from harvey_pipeline_tests.oracle.values import TableRow

BLANK = " "
OTHER = "other"
LONGEST_TEXT = 2000
LONGEST_SHOWN = 200
LONGEST_ERROR = 100
LONGEST_VALUE = 50

EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}")
NUMBER = re.compile(r"\+?[0-9][0-9 ()./-]{5,}[0-9]")


def redacted(text: str) -> str:
    """Text without addresses, then without long numbers."""
    return NUMBER.sub("<number>", EMAIL.sub("<email>", text))


def shown_text(text: str) -> str:
    """Text in one line, cut."""
    return re.sub("[ \t\n\r\f]+", BLANK, text).strip(BLANK)[:LONGEST_SHOWN]


def normal_form(text: str) -> str:
    """Letters and numbers in small letters; what is between them is one blank."""
    kept = (
        character if unicodedata.category(character)[0] in "LN" else BLANK
        for character in text.lower()
    )
    return BLANK.join(word for word in "".join(kept).split(BLANK) if word)


def occurs(keywords: Iterable[str], normal: str) -> bool:
    """Whether a keyword begins at the beginning of a word of a text in normal form."""
    return any(BLANK + keyword in BLANK + normal for keyword in keywords)


def has_word(words: Iterable[str], name: str) -> bool:
    """Whether one of the words of a name is one of these."""
    return not set(words).isdisjoint(normal_form(name).split(BLANK))


def text_in(content: Mapping[str, Any], key: str) -> str | None:
    """What a key holds, where it is a text."""
    held = content.get(key)
    return held if isinstance(held, str) else None


@dataclass(frozen=True)
class Event:
    """One accepted event.

    Args:
        said: What its row says, by the columns' names in the tables.
        catalogue: The words to look for.
    """

    said: TableRow
    catalogue: Catalogue

    @property
    def event_id(self) -> str:
        return str(self.said["event_id"])

    @property
    def conversation_id(self) -> str:
        return str(self.said["conversation_id"])

    @property
    def user_id(self) -> str:
        return str(self.said["user_id"])

    @property
    def at(self) -> datetime:
        moment = self.said["timestamp"]
        assert isinstance(moment, datetime)
        return moment

    @property
    def day(self) -> date:
        return self.at.date()

    @property
    def order(self) -> tuple[datetime, str]:
        """Of events at the same time the one with the smallest id is first."""
        return (self.at, self.event_id)

    @property
    def credits_used(self) -> int:
        return self.said["credits_consumed"] or 0

    @cached_property
    def content(self) -> dict[str, Any]:
        text = self.said["content"]
        return (content_of(text) if text is not None else None) or {}

    @cached_property
    def tool_name(self) -> str:
        name = self.said["tool_name"] or (text_in(self.content, "tool") or "").strip(BLANK).lower()
        return name or ("unknown" if self.is_tool_call else "none")

    # --- Messages ---

    @property
    def is_message(self) -> bool:
        return bool(self.said["event_type"] == "message")

    @cached_property
    def is_user_message(self) -> bool:
        role = (text_in(self.content, "role") or "").strip(BLANK).lower()
        return self.is_message and role in ("", "user")

    @cached_property
    def text(self) -> str:
        return redacted((text_in(self.content, "message") or "")[:LONGEST_TEXT])

    @cached_property
    def shown(self) -> str:
        return shown_text(self.text)

    @cached_property
    def normal(self) -> str:
        return normal_form(self.text)

    def is_message_with(self, keywords: Iterable[str]) -> bool:
        """Whether it is a user message in which a keyword occurs."""
        return self.is_user_message and occurs(keywords, self.normal)

    @cached_property
    def use_cases(self) -> list[str]:
        """The use cases for which a user message counts; none for other events."""
        if not self.is_user_message:
            return []
        named = self.catalogue.use_cases.items()
        return [name for name, keywords in named if occurs(keywords, self.normal)] or [OTHER]

    # --- Tools and failures ---

    @property
    def is_tool_call(self) -> bool:
        return bool(self.said["event_type"] == "tool_call")

    @property
    def is_failed(self) -> bool:
        return self.said["event_type"] == "error" or self.said["success"] is False

    @property
    def is_attempt(self) -> bool:
        return self.is_tool_call or self.is_failed

    @property
    def is_successful_call(self) -> bool:
        return self.is_tool_call and self.said["success"] is True

    @property
    def is_creation(self) -> bool:
        return self.is_successful_call and has_word(self.catalogue.creation_words, self.tool_name)

    @property
    def is_completion(self) -> bool:
        return self.said["event_type"] == "completion" and self.said["success"] is not False

    @property
    def is_sharing(self) -> bool:
        if self.is_tool_call and has_word(self.catalogue.sharing_words, self.tool_name):
            return True
        return self.is_message_with(self.catalogue.sharing_phrases)

    @cached_property
    def error_type(self) -> str:
        """What went wrong, of a failed event; the empty text of others."""
        if not self.is_failed:
            return ""
        error = self.content.get("error")
        if isinstance(error, dict):
            code = text_in(error, "code")
            error = text_in(error, "message") if code is None else code
        text = error if isinstance(error, str) else ""
        normal = normal_form(redacted(text[:LONGEST_TEXT]))
        return re.sub("[0-9]+", "#", normal)[:LONGEST_ERROR] or "unknown"

    @property
    def is_refusal(self) -> bool:
        return self.is_failed and occurs(self.catalogue.credit_words, self.error_type)

    @cached_property
    def preferences(self) -> list[str]:
        """`<key>=<value>` for each preference that a tool call states."""
        params = self.content.get("params")
        if not self.is_tool_call or not isinstance(params, dict):
            return []
        stated = {
            key: (text_in(params, key) or "").strip(BLANK).lower()[:LONGEST_VALUE]
            for key in self.catalogue.preference_keys
        }
        return [f"{key}={value}" for key, value in stated.items() if value]


def events_of(loads: Iterable[Load], days: Iterable[date], catalogue: Catalogue) -> list[Event]:
    """The accepted events of some days, first to last.

    Of the same id and date in two drops the earlier drop's counts.
    """
    found: dict[tuple[str, date], Event] = {}
    for each in sorted(loads, key=lambda each: each.day):
        for row in each.accepted if each.is_observed else []:
            event = Event(row.values, catalogue)
            found.setdefault((event.event_id, event.day), event)
    days_run = set(days)
    kept = (event for event in found.values() if event.day in days_run)
    return sorted(kept, key=lambda event: event.order)
