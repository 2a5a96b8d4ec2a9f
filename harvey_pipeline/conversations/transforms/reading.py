"""What an event says: its text, what it is about, and whether it failed.

Every rule is an expression over columns. The words that rules look for are a catalogue's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from harvey_pipeline.conversations.tables.labels import (
    ERROR_TYPE_CHARACTERS,
    NO_TOOL,
    OTHER,
    SHOWN_CHARACTERS,
    TEXT_CHARACTERS,
    UNKNOWN_TOOL,
    USER,
)

UNKNOWN_ERROR: Final = "unknown"
"""The error type of a failed event that says nothing."""

_EMAIL: Final = r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}"
_NUMBER: Final = r"\+?[0-9][0-9 ()./-]{5,}[0-9]"
# Runs of characters that become one blank. A single blank is one already: not to match it is
# three times as fast.
_SPACE: Final = r"[\t\n\r\x0c][ \t\n\r\x0c]*| [ \t\n\r\x0c]+"
_BETWEEN_WORDS: Final = r"[^\p{L}\p{N} ][^\p{L}\p{N}]*| [^\p{L}\p{N}]+"


@dataclass(frozen=True)
class Named:
    """A use case or an action, and the keywords of which any makes a text one of it."""

    name: str
    keywords: tuple[str, ...]


@dataclass(frozen=True)
class Catalogue:
    """The words that events are read by, all in normal form but for the preference keys.

    `use_cases` and `actions` are in order: of equals the first counts. `vision` are the names of
    the use cases that the product is made for; without any, that is not stated.
    """

    use_cases: tuple[Named, ...]
    actions: tuple[Named, ...]
    positive: tuple[str, ...]
    love: tuple[str, ...]
    negative: tuple[str, ...]
    request: tuple[str, ...]
    sharing_phrases: tuple[str, ...]
    sharing_words: tuple[str, ...]
    creation_words: tuple[str, ...]
    credit_words: tuple[str, ...]
    preference_keys: tuple[str, ...]
    vision: tuple[str, ...]

    @property
    def use_case_names(self) -> tuple[str, ...]:
        """In order, without `other`."""
        return tuple(one.name for one in self.use_cases)


# --- texts ---------------------------------------------------------------------------------------


def redacted(text: pl.Expr) -> pl.Expr:
    """A text without e-mail addresses and longer numbers."""
    return text.str.replace_all(_EMAIL, "<email>").str.replace_all(_NUMBER, "<number>")


def shown_text(text: pl.Expr) -> pl.Expr:
    """A redacted text on one line, at most so many characters as are shown."""
    return text.str.replace_all(_SPACE, " ").str.strip_chars(" ").str.head(SHOWN_CHARACTERS)


def normal_form(text: pl.Expr) -> pl.Expr:
    """A text in lower case, with one blank for all between its letters and numbers."""
    return text.str.to_lowercase().str.replace_all(_BETWEEN_WORDS, " ").str.strip_chars(" ")


def occurs(keywords: Sequence[str], normal: pl.Expr) -> pl.Expr:
    """Whether one of some keywords begins at the beginning of a word of a normal form.

    False of a missing text.
    """
    return _occurs_padded(keywords, pl.lit(" ") + normal)


def _occurs_padded(keywords: Sequence[str], padded: pl.Expr) -> pl.Expr:
    if not keywords:
        return pl.lit(False)
    return padded.str.contains_any([f" {keyword}" for keyword in keywords]).fill_null(False)


def holds_word(words: Sequence[str], name: pl.Expr) -> pl.Expr:
    """Whether one of some words is a word of a name's normal form."""
    padded = pl.concat_str(pl.lit(" "), normal_form(name), pl.lit(" "))
    return _occurs_padded([f"{word} " for word in words], padded)


def error_type(error: pl.Expr) -> pl.Expr:
    """What kind of error a message tells of; `unknown` where it tells nothing."""
    told = normal_form(redacted(error.fill_null("").str.head(TEXT_CHARACTERS)))
    kind = told.str.replace_all("[0-9]+", "#").str.head(ERROR_TYPE_CHARACTERS)
    return kind.replace("", UNKNOWN_ERROR)


# --- events --------------------------------------------------------------------------------------

SAID: Final = ("event_type", "content", "tool_name", "success")
"""The columns of an event that tell what it says."""


def read_outcomes(events: pl.LazyFrame, catalogue: Catalogue) -> pl.LazyFrame:
    """Events with what became of them.

    Adds `role`, `message`, `params` (texts by preference key) and, whatever the event, `tool` (its
    name, never null), `error_type` (null unless it failed) and whether it `is_failed`,
    `is_refusal`, `is_call`, `is_success`, `is_creation`, `is_completion`.

    Args:
        events: Rows with the columns `SAID`.
        catalogue: The words.
    """
    kind = pl.col("event_type").cast(pl.String)
    content = pl.col("read")
    is_call = kind == "tool_call"
    said = content.struct.field("tool").str.strip_chars(" ").str.to_lowercase()
    tool = pl.coalesce(
        "tool_name",
        pl.when(said != "").then(said),
        pl.when(is_call).then(pl.lit(UNKNOWN_TOOL)).otherwise(pl.lit(NO_TOOL)),
    )
    is_failed = (kind == "error") | pl.col("success").eq_missing(False)
    is_success = is_call & pl.col("success").eq_missing(True)
    params = (
        content.struct.field("params").alias("params")
        if catalogue.preference_keys
        else pl.lit(None).alias("params")
    )
    return (
        events.with_columns(read=pl.col("content").str.json_decode(_content_type(catalogue)))
        .with_columns(
            params,
            role=content.struct.field("role").str.strip_chars(" ").str.to_lowercase(),
            message=content.struct.field("message"),
            error=pl.when(is_failed).then(content.struct.field("error").fill_null("")),
            tool=tool,
            is_message=kind == "message",
            is_call=is_call,
            is_failed=is_failed,
            is_success=is_success,
            is_completion=(kind == "completion") & pl.col("success").ne_missing(False),
        )
        .drop("read")
        .with_columns(
            error_type=pl.when("is_failed").then(error_type(pl.col("error"))),
            is_creation=pl.col("is_success")
            & holds_word(catalogue.creation_words, pl.when("is_success").then("tool")),
        )
        .with_columns(is_refusal=occurs(catalogue.credit_words, pl.col("error_type")))
    )


def _content_type(catalogue: Catalogue) -> pl.Struct:
    """What the content of events is read as: `params` holds the texts of the preference keys."""
    fields: dict[str, pl.DataType] = dict.fromkeys(
        ("role", "message", "tool", "error"), pl.String()
    )
    if catalogue.preference_keys:
        fields["params"] = pl.Struct(dict.fromkeys(catalogue.preference_keys, pl.String()))
    return pl.Struct(fields)


def read_messages(events: pl.LazyFrame) -> pl.LazyFrame:
    """Outcomes with what the user wrote.

    Adds `is_user_message`, and of user messages (else null) `text`, redacted, and its `normal`
    form.

    Args:
        events: As `read_outcomes` returns them.
    """
    is_user = pl.col("role").fill_null("").is_in(["", USER])
    return (
        events.with_columns(is_user_message=pl.col("is_message") & is_user)
        .with_columns(
            text=pl.when("is_user_message").then(
                pl.col("message").fill_null("").str.head(TEXT_CHARACTERS)
            )
        )
        .with_columns(text=redacted(pl.col("text")))
        .with_columns(normal=normal_form(pl.col("text")))
    )


def use_case_column(name: str) -> str:
    """The column that tells whether a user message is of a use case."""
    return f"is_of_{name}"


def read_words(events: pl.LazyFrame, catalogue: Catalogue) -> pl.LazyFrame:
    """Messages with what is in them.

    Adds `shown` (null unless the user wrote it), whether a word occurs that makes the event
    `is_positive`, `is_loved`, `is_negative`, `is_request` or `is_sharing`, and of each use case,
    `other` too, whether it is one of it.

    Args:
        events: As `read_messages` returns them.
        catalogue: The words.
    """
    padded = pl.col("padded")
    of_use_cases = {
        use_case_column(one.name): _occurs_padded(one.keywords, padded)
        for one in catalogue.use_cases
    }
    has_use_case = pl.any_horizontal(list(of_use_cases)) if of_use_cases else pl.lit(False)
    is_shared = pl.col("is_call") & holds_word(
        catalogue.sharing_words, pl.when("is_call").then("tool")
    )
    return (
        events.with_columns(padded=pl.lit(" ") + pl.col("normal"))
        .with_columns(
            shown=shown_text(pl.col("text")),
            is_positive=_occurs_padded(catalogue.positive, padded),
            is_loved=_occurs_padded(catalogue.love, padded),
            is_negative=_occurs_padded(catalogue.negative, padded),
            is_request=_occurs_padded(catalogue.request, padded),
            is_sharing=_occurs_padded(catalogue.sharing_phrases, padded) | is_shared,
            **of_use_cases,
        )
        .with_columns((pl.col("is_user_message") & ~has_use_case).alias(use_case_column(OTHER)))
        .drop("padded")
    )
