"""Accounts over time, and each day's events summed by conversation, user, tool and trait."""

from typing import Final

import dataframely as dy
import polars as pl

from harvey_pipeline.conversations.tables.labels import (
    ERROR_TYPE_CHARACTERS,
    MOST_FEATURE_REQUESTS,
    SHOWN_CHARACTERS,
    TRAIT_CHARACTERS,
    TRAIT_KINDS,
)
from harvey_pipeline.history import OPEN_END
from harvey_pipeline.warehouse import columns as c
from harvey_pipeline.warehouse.table import Table


def _counts_agree() -> pl.Expr:
    """No part of the events is larger than what it is a part of."""
    parts = {
        "messages": "events",
        "user_messages": "messages",
        "tool_calls": "events",
        "successful_calls": "tool_calls",
        "creations": "successful_calls",
        "attempts": "events",
        "failures": "attempts",
        "refusals": "failures",
        "completions": "events",
        "sharing_events": "events",
        "loved_messages": "user_messages",
    }
    return pl.all_horizontal(pl.col(part) <= pl.col(whole) for part, whole in parts.items())


class DimAccount(dy.Schema):
    """One row per (`user_id`, `effective_start_date`): an account's versions (SCD type 2)."""

    account_dim_key = c.text("Surrogate key: `<user_id>_<effective_start_date as YYYYMMDD>`.")
    user_id = c.text("User.", key=True)
    email = c.text("E-mail address in this version, in lower case.", nullable=True)
    account_created_at = c.moment("When the account was created, in this version, UTC.")
    credit_limit = c.count(
        "Credits a month in this version; null where the general limit holds.", nullable=True
    )
    effective_start_date = c.day("First day of the version.", key=True)
    effective_end_date = c.day("Last day of the version, inclusive; 9999-12-31 while open.")
    is_current = c.flag("Whether the version is still open.")

    @dy.rule()
    def starts_before_it_ends(cls) -> pl.Expr:
        """No version ends before it starts."""
        return pl.col("effective_start_date") <= pl.col("effective_end_date")

    @dy.rule()
    def current_exactly_while_open(cls) -> pl.Expr:
        """`is_current` is true exactly where `effective_end_date` is 9999-12-31."""
        return pl.col("is_current") == (pl.col("effective_end_date") == OPEN_END)


class ConversationDaily(dy.Schema):
    """One row per (`date`, `conversation_id`, `user_id`) with an event: a user's own share of it.

    Of events at the same moment the one with the smallest id is the first.
    """

    date = c.day("Day of the events, UTC, whichever drop brought them.", key=True)
    conversation_id = c.text("Conversation.", key=True)
    user_id = c.text("User.", key=True)
    events = c.count("Events.", minimum=1)
    messages = c.count("Messages, whoever wrote them.")
    user_messages = c.count("Messages that the user wrote.")
    tool_calls = c.count("Tool calls.")
    successful_calls = c.count("Tool calls that say that they succeeded.")
    creations = c.count("Successful calls of a tool whose name holds a creation word.")
    attempts = c.count("Tool calls and failed events.")
    failures = c.count("Failed events: errors, and whatever says that it did not succeed.")
    refusals = c.count("Failed events for want of credits.")
    completions = c.count("Completions that have not failed.")
    sharing_events = c.count("Calls of a sharing tool, and user messages with a sharing phrase.")
    credits_used = c.count("Credits that the events took.")
    positive_messages = c.count("User messages with a positive word.")
    loved_messages = c.count("User messages with a word of love.")
    negative_messages = c.count("User messages with a negative word.")
    repeated_prompts = c.count(
        "User messages with a normal form, less their distinct normal forms."
    )
    use_case_messages = c.text(
        "User messages by use case, `other` included: a canonical JSON object; one message may "
        "count for several."
    )
    tools_used = c.text("Tool calls by tool: a canonical JSON object.")
    first_event_at = c.moment("First event, UTC.")
    last_event_at = c.moment("Last event, UTC.")
    last_message_at = c.moment("Last message, whoever wrote it, UTC; null if none.", nullable=True)
    last_success_at = c.moment("Last successful call, UTC; null if none.", nullable=True)
    last_failure_at = c.moment("Last failed event, UTC; null if none.", nullable=True)
    last_refusal_at = c.moment("Last refusal, UTC; null if none.", nullable=True)
    last_error_type = c.text("Error type of the last failed event; null if none.", nullable=True)
    first_message = c.text(
        "The first user message that is not empty, redacted, on one line, at most "
        f"{SHOWN_CHARACTERS} characters; null if none.",
        nullable=True,
    )
    feature_requests = dy.List(
        dy.String(nullable=False),
        nullable=False,
        description=f"The first {MOST_FEATURE_REQUESTS} user messages with a request phrase, "
        "redacted, in the order in which they were written.",
    )

    @dy.rule()
    def parts_are_no_larger_than_the_whole(cls) -> pl.Expr:
        """No count of a part is larger than that of the whole."""
        of_messages = ("positive_messages", "negative_messages", "repeated_prompts")
        return _counts_agree() & pl.all_horizontal(
            pl.col(name) <= pl.col("user_messages") for name in of_messages
        )

    @dy.rule()
    def moments_lie_within_the_day(cls) -> pl.Expr:
        """All moments are of the row's date, none before the first or after the last event."""
        first, last = pl.col("first_event_at"), pl.col("last_event_at")
        moments = ("last_message_at", "last_success_at", "last_failure_at", "last_refusal_at")
        of_day = (first.dt.date() == pl.col("date")) & (last.dt.date() == pl.col("date"))
        return (
            of_day
            & (first <= last)
            & pl.all_horizontal(
                pl.col(name).is_between(first, last).fill_null(True) for name in moments
            )
        )

    @dy.rule()
    def last_moments_are_those_of_something(cls) -> pl.Expr:
        """A last moment is there exactly where there is something that it is the last of."""
        counts = {
            "last_message_at": "messages",
            "last_success_at": "successful_calls",
            "last_failure_at": "failures",
            "last_refusal_at": "refusals",
            "last_error_type": "failures",
        }
        return pl.all_horizontal(
            pl.col(name).is_not_null() == (pl.col(count) > 0) for name, count in counts.items()
        )

    @dy.rule()
    def requests_are_few(cls) -> pl.Expr:
        """No more feature requests than are kept, and than there are user messages."""
        most = pl.min_horizontal(pl.lit(MOST_FEATURE_REQUESTS), pl.col("user_messages"))
        return pl.col("feature_requests").list.len() <= most

    @dy.rule()
    def texts_are_short(cls) -> pl.Expr:
        """No text of a person, and no error type, is longer than what is kept of it."""
        requests = pl.col("feature_requests").list.eval(pl.element().str.len_chars()).list.max()
        shown = (pl.col("first_message").str.len_chars(), requests)
        return (pl.col("last_error_type").str.len_chars() <= ERROR_TYPE_CHARACTERS).fill_null(
            True
        ) & pl.all_horizontal((length <= SHOWN_CHARACTERS).fill_null(True) for length in shown)


class UserDaily(dy.Schema):
    """One row per (`date`, `user_id`) with an event: what a user did on a day.

    A session is a longest run of events with no gap of more than 30 minutes; it ends at midnight.
    """

    date = c.day("Day of the events, UTC, whichever drop brought them.", key=True)
    user_id = c.text("User.", key=True)
    conversations = c.count("Distinct conversations.", minimum=1)
    events = c.count("Events.", minimum=1)
    messages = c.count("Messages, whoever wrote them.")
    user_messages = c.count("Messages that the user wrote.")
    tool_calls = c.count("Tool calls.")
    successful_calls = c.count("Tool calls that say that they succeeded.")
    creations = c.count("Successful calls of a tool whose name holds a creation word.")
    attempts = c.count("Tool calls and failed events.")
    failures = c.count("Failed events: errors, and whatever says that it did not succeed.")
    refusals = c.count("Failed events for want of credits.")
    completions = c.count("Completions that have not failed.")
    sharing_events = c.count("Calls of a sharing tool, and user messages with a sharing phrase.")
    credits_used = c.count("Credits that the events took.")
    loved_messages = c.count("User messages with a word of love.")
    sessions = c.count("Sessions.", minimum=1)
    session_seconds = c.count(
        "Length of the sessions, seconds; each from its first to its last event, rounded down."
    )
    first_event_at = c.moment("First event, UTC.")
    last_event_at = c.moment("Last event, UTC.")

    @dy.rule()
    def parts_are_no_larger_than_the_whole(cls) -> pl.Expr:
        """No count of a part is larger than that of the whole."""
        return _counts_agree() & (pl.col("conversations") <= pl.col("events"))

    @dy.rule()
    def sessions_fit_into_the_day(cls) -> pl.Expr:
        """Sessions are no more than events, and last no longer than from the first to the last."""
        first, last = pl.col("first_event_at"), pl.col("last_event_at")
        of_day = (first.dt.date() == pl.col("date")) & (last.dt.date() == pl.col("date"))
        return (
            of_day
            & (pl.col("sessions") <= pl.col("events"))
            & (pl.col("session_seconds") <= (last - first).dt.total_seconds())
        )


class ToolDaily(dy.Schema):
    """One row per (`date`, `user_id`, `tool_name`, `error_type`) with a tool call or a failure."""

    date = c.day("Day of the events, UTC, whichever drop brought them.", key=True)
    user_id = c.text("User.", key=True)
    tool_name = c.text(
        "Tool, in lower case; `unknown` of a call that names none, `none` of other events.",
        key=True,
    )
    error_type = c.text(
        "Error type of failed events; the empty text of what has not failed.", key=True
    )
    calls = c.count("Tool calls.")
    successes = c.count("Tool calls that say that they succeeded.")
    failures = c.count("Failed events.")
    credits_used = c.count("Credits that the tool calls and failed events took.")

    @dy.rule()
    def failures_have_an_error_type(cls) -> pl.Expr:
        """A row is of successes and other calls, or of failures, as its error type tells."""
        has_failed = pl.col("error_type") != ""
        return (
            pl.when(has_failed)
            .then((pl.col("successes") == 0) & (pl.col("failures") > 0))
            .otherwise((pl.col("failures") == 0) & (pl.col("calls") > 0))
        )

    @dy.rule()
    def parts_are_no_larger_than_the_whole(cls) -> pl.Expr:
        """There are no more successes than calls."""
        return pl.col("successes") <= pl.col("calls")

    @dy.rule()
    def error_types_are_short(cls) -> pl.Expr:
        """No error type is longer than what is kept of it."""
        return pl.col("error_type").str.len_chars() <= ERROR_TYPE_CHARACTERS


class TraitDaily(dy.Schema):
    """One row per (`date`, `user_id`, `kind`, `name`): what a user asked, or wished, how often."""

    date = c.day("Day of the events, UTC, whichever drop brought them.", key=True)
    user_id = c.text("User.", key=True)
    kind = c.label(
        "A prompt of at least two words, or a preference that a tool call was given.",
        TRAIT_KINDS,
        key=True,
    )
    name = dy.String(
        primary_key=True,
        min_length=1,
        description=f"Normal form of the prompt, at most {TRAIT_CHARACTERS} characters, or "
        "`<key>=<value>` of the preference.",
    )
    times = c.count("User messages, or tool calls, with it.", minimum=1)


DIM_ACCOUNT: Final = Table("conversations.dim_account", DimAccount, persons=("user_id", "email"))
CONVERSATION_DAILY: Final = Table(
    "conversations.conversation_daily", ConversationDaily, "date", persons=("user_id",)
)
USER_DAILY: Final = Table("conversations.user_daily", UserDaily, "date", persons=("user_id",))
TOOL_DAILY: Final = Table("conversations.tool_daily", ToolDaily, "date", persons=("user_id",))
TRAIT_DAILY: Final = Table("conversations.trait_daily", TraitDaily, "date", persons=("user_id",))

TABLES: Final = (DIM_ACCOUNT, CONVERSATION_DAILY, USER_DAILY, TOOL_DAILY, TRAIT_DAILY)
