"""Conversations cut into rows, and what their users want."""

from typing import Final

import dataframely as dy
import polars as pl

from harvey_pipeline.conversations.tables.labels import (
    ABANDONED,
    BLOCKED_BY_CREDITS,
    COMPLETED,
    COMPLETION_STATUSES,
    CREDITS,
    HIGHEST_SATISFACTION,
    LOWEST_SATISFACTION,
    METHODS,
    MOST_FEATURE_REQUESTS,
    NO_REPLY,
    RULES,
    SHOWN_CHARACTERS,
)
from harvey_pipeline.warehouse import columns as c
from harvey_pipeline.warehouse.table import Table

_MOST_ACTIVE_DAYS: Final = 14


def _satisfaction(description: str) -> dy.Int64:
    return dy.Int64(
        min=LOWEST_SATISFACTION,
        max=HIGHEST_SATISFACTION,
        nullable=False,
        description=f"{description}, {LOWEST_SATISFACTION} to {HIGHEST_SATISFACTION}.",
    )


def _texts(description: str) -> dy.List:
    return dy.List(dy.String(nullable=False), nullable=False, description=description)


def _is_key() -> pl.Expr:
    """The key is that of the row's conversation, user and date."""
    return pl.col("conversation_key") == pl.concat_str(
        "conversation_id", "user_id", pl.col("date").dt.strftime("%Y%m%d"), separator="_"
    )


class Conversations(dy.Schema):
    """One row per (`date`, `conversation_id`, `user_id`): a conversation from its beginning.

    It begins after 7 days of silence, or anew with the first active day of a week if it was active
    8 to 14 days before; it never goes beyond the Sunday of the week after.
    """

    date = c.day("Day on which it begins, UTC.", key=True)
    conversation_id = c.text("Conversation.", key=True)
    user_id = c.text("User.", key=True)
    conversation_key = c.text("`<conversation_id>_<user_id>_<date as YYYYMMDD>`.")
    is_continuation = c.flag(
        "Whether it goes on from an earlier row, without 7 days of silence in between."
    )
    started_at = c.moment("First event, UTC.")
    last_message_at = c.moment("Last message, whoever wrote it, UTC; null if none.", nullable=True)
    last_event_at = c.moment("Last event, UTC.")
    active_days = c.count("Days with an event.", minimum=1)
    message_count = c.count("Messages, whoever wrote them.")
    user_messages = c.count("Messages that the user wrote.")
    credits_used = c.count("Credits that the events took.")
    first_intent = dy.String(
        max_length=SHOWN_CHARACTERS,
        nullable=True,
        description="The first user message that is not empty, redacted, on one line, at most "
        f"{SHOWN_CHARACTERS} characters; null if none.",
    )
    tools_used = c.text("Tool calls by tool: a canonical JSON object.")
    tool_calls = c.count("Tool calls.")
    failures = c.count("Failed events: errors, and whatever says that it did not succeed.")
    completion_status = c.label(
        "How it ended: `completed` with a completion, or with a creation and no failure since the "
        "last success; `blocked_by_credits` with a refusal and no success after it; else "
        "`abandoned`.",
        COMPLETION_STATUSES,
    )
    user_satisfaction_signal = _satisfaction(
        "How satisfied the user seems, by praise, complaints, failures and how it ended"
    )
    extracted_use_case = c.text(
        "Use case of most user messages; null without user messages.", nullable=True
    )
    blocker_reason = c.text(
        f"What it stopped at: `{CREDITS}`, the error type of a failure without a success after it, "
        f"or `{NO_REPLY}` where only the user wrote; null if completed, or of nothing known.",
        nullable=True,
    )
    feature_requests = dy.List(
        dy.String(max_length=SHOWN_CHARACTERS, nullable=False),
        nullable=False,
        description=f"The first {MOST_FEATURE_REQUESTS} user messages with a request phrase, "
        "redacted, by date and then in the order in which they were written.",
    )

    @dy.rule()
    def key_is_that_of_the_row(cls) -> pl.Expr:
        """`conversation_key` is made of the row's conversation, user and date."""
        return _is_key()

    @dy.rule()
    def begins_on_its_date(cls) -> pl.Expr:
        """The first event is of the row's date."""
        return pl.col("started_at").dt.date() == pl.col("date")

    @dy.rule()
    def ends_by_the_sunday_of_the_week_after(cls) -> pl.Expr:
        """The last event is no earlier than the first, and no later than the next week's Sunday."""
        week_after_next = pl.col("date").dt.truncate("1w") + pl.duration(days=_MOST_ACTIVE_DAYS)
        last = pl.col("last_event_at")
        return (last >= pl.col("started_at")) & (last.dt.date() < week_after_next)

    @dy.rule()
    def active_days_fit_in(cls) -> pl.Expr:
        """There are no more active days than days from the first event to the last."""
        days = (pl.col("last_event_at").dt.date() - pl.col("date")).dt.total_days() + 1
        return pl.col("active_days") <= days

    @dy.rule()
    def messages_agree(cls) -> pl.Expr:
        """Users wrote no more than all messages; there is a last one exactly where there is any."""
        has_messages = pl.col("message_count") > 0
        return (pl.col("user_messages") <= pl.col("message_count")) & (
            pl.col("last_message_at").is_not_null() == has_messages
        )

    @dy.rule()
    def blocker_fits_the_status(cls) -> pl.Expr:
        """Nothing blocks what is completed, and credits what is blocked by them."""
        status = pl.col("completion_status").cast(pl.String)
        blocker = pl.col("blocker_reason")
        return (
            pl.when(status == COMPLETED)
            .then(blocker.is_null())
            .when(status == BLOCKED_BY_CREDITS)
            .then(blocker.eq_missing(pl.lit(CREDITS)))
            .otherwise(status == ABANDONED)
        )

    @dy.rule()
    def use_case_of_user_messages(cls) -> pl.Expr:
        """There is a use case exactly where there are user messages."""
        return pl.col("extracted_use_case").is_not_null() == (pl.col("user_messages") > 0)

    @dy.rule()
    def requests_are_few(cls) -> pl.Expr:
        """No more feature requests than are kept, and than there are user messages."""
        most = pl.min_horizontal(pl.lit(MOST_FEATURE_REQUESTS), pl.col("user_messages"))
        return pl.col("feature_requests").list.len() <= most


class Intents(dy.Schema):
    """One row per (`date`, `conversation_id`, `user_id`): what its user wants, of `conversations`.

    By rules, or by a language model where one was asked; the cluster is by rules always.
    """

    date = c.day("Day on which the conversation begins, UTC.", key=True)
    conversation_id = c.text("Conversation.", key=True)
    user_id = c.text("User.", key=True)
    conversation_key = c.text("`<conversation_id>_<user_id>_<date as YYYYMMDD>`.")
    primary_intent = c.text("What the user wants, in words.")
    blockers = _texts("What stood in the way; by rules `blocker_reason`, if there is one.")
    feature_requests = _texts("What the user asks for that is not there, redacted.")
    satisfaction_signal = _satisfaction("How satisfied the user seems")
    cluster = c.text(
        "`<action>/<use case>`: what the first message asks to be done, and what it is about."
    )
    method = c.label("Who tells it: rules, or a language model.", METHODS)
    model = c.text("Model that was asked; null by rules.", nullable=True)
    prompt_version = c.text("Version of the prompt; null by rules.", nullable=True)
    input_hash = c.text(
        "SHA-256 (hex) of prompt version, model and input; null by rules.", nullable=True
    )

    @dy.rule()
    def key_is_that_of_the_row(cls) -> pl.Expr:
        """`conversation_key` is made of the row's conversation, user and date."""
        return _is_key()

    @dy.rule()
    def model_is_named_where_asked(cls) -> pl.Expr:
        """Model, prompt version and input are named exactly where a model was asked."""
        is_asked = pl.col("method").cast(pl.String) != RULES
        return pl.all_horizontal(
            pl.col(name).is_not_null() == is_asked
            for name in ("model", "prompt_version", "input_hash")
        )


CONVERSATIONS: Final = Table(
    "conversations.conversations", Conversations, "date", persons=("user_id",)
)
INTENTS: Final = Table("conversations.intents", Intents, "date", persons=("user_id",))

TABLES: Final = (CONVERSATIONS, INTENTS)
