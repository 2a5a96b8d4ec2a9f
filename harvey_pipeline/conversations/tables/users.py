"""What each user did first, who is near the credit limit, and the profile of each user."""

from typing import Final

import dataframely as dy
import polars as pl

from harvey_pipeline.conversations.tables.labels import (
    ACTIVATION_STATUSES,
    MOST_PREFERRED,
    NO_TOOL,
    RETENTION_COHORTS,
    UNKNOWN_TOOL,
    WINDOW_DAYS,
)
from harvey_pipeline.warehouse import columns as c
from harvey_pipeline.warehouse.table import Table


class FirstSteps(dy.Schema):
    """One row per `user_id` with an account or an event: the first day of each step, of all days.

    As of a day a step is done if its date is not after it.
    """

    user_id = c.text("User.", key=True)
    signed_up_date = c.day(
        "Earlier one of the first day of the account's first version and `first_active_date`."
    )
    first_active_date = c.day("First date with an event; null without one.", nullable=True)
    first_chat_date = c.day("First date with a user message; null without one.", nullable=True)
    first_tool_date = c.day("First date with a tool call; null without one.", nullable=True)
    first_creation_date = c.day("First date with a creation; null without one.", nullable=True)
    first_exhaustion_date = c.day(
        "First date on which the credits were exhausted; null without one.", nullable=True
    )
    first_completion_date = c.day(
        "First date on which what a conversation says that day alone is completed; null without "
        "one.",
        nullable=True,
    )

    @dy.rule()
    def signed_up_before_active(cls) -> pl.Expr:
        """Nobody is active before signing up."""
        return (pl.col("signed_up_date") <= pl.col("first_active_date")).fill_null(True)

    @dy.rule()
    def no_step_before_active(cls) -> pl.Expr:
        """Every step that is done has a first active date that is not after it."""
        is_sound = [
            pl.col(step).is_null() | (pl.col("first_active_date") <= pl.col(step)).fill_null(False)
            for step in (
                "first_chat_date",
                "first_tool_date",
                "first_creation_date",
                "first_exhaustion_date",
                "first_completion_date",
            )
        ]
        return pl.all_horizontal(is_sound)


class CreditExhaustion(dy.Schema):
    """One row per (`date`, `user_id`) with credits or a refusal that day, near the credit limit.

    Near is 90 % of the limit in the calendar month up to the day, or a refusal.
    """

    date = c.day("Date of the use, UTC.", key=True)
    user_id = c.text("User.", key=True)
    credits_used = c.count("Credits used on the date.")
    credits_used_month = c.count("Credits used from the first of the calendar month to the date.")
    credit_limit = c.count("Credits a calendar month that the account has as of the date.")
    used_percent = c.number(
        "Credits of the month as a percentage of the limit, above 100 beyond it; null where the "
        "limit is 0."
    )
    refusals = c.count("Failed events of the date that refuse for lack of credits.")
    is_limit_reached = c.flag("Whether the month's credits came to the limit on the date.")
    is_exhausted = c.flag("Whether there is a refusal, or the limit was reached on the date.")

    @dy.rule()
    def is_near_the_limit(cls) -> pl.Expr:
        """A row has a refusal, or credits and at least 90 % of the limit."""
        is_near = 10 * pl.col("credits_used_month") >= 9 * pl.col("credit_limit")
        return (pl.col("refusals") > 0) | ((pl.col("credits_used") > 0) & is_near)

    @dy.rule()
    def day_within_month(cls) -> pl.Expr:
        """The credits of the month are no fewer than those of the date."""
        return pl.col("credits_used") <= pl.col("credits_used_month")

    @dy.rule()
    def reached_by_this_day(cls) -> pl.Expr:
        """The limit is reached where it lies above the credits before the date, and not above."""
        before = pl.col("credits_used_month") - pl.col("credits_used")
        is_reached = (before < pl.col("credit_limit")) & (
            pl.col("credit_limit") <= pl.col("credits_used_month")
        )
        return pl.col("is_limit_reached") == is_reached

    @dy.rule()
    def exhausted_as_said(cls) -> pl.Expr:
        """`is_exhausted` is true exactly with a refusal or where the limit is reached."""
        is_exhausted = (pl.col("refusals") > 0) | pl.col("is_limit_reached")
        return pl.col("is_exhausted") == is_exhausted


class UserProfiles(dy.Schema):
    """One row per (`date`, `user_id`) of users with an account or active in 90 days: who they are.

    "The window" is the 90 days that end on the date.
    """

    date = c.day("Day as of which the profile holds.", key=True)
    user_id = c.text("User.", key=True)
    email = c.text("E-mail address as of the date; null if not known.", nullable=True)
    created_at = c.moment(
        "When the account was created, UTC, as of the date; null if not known.", nullable=True
    )
    signed_up_date = c.day("Day of signing up, see `first_steps`.")
    days_since_signup = c.count("Days from `signed_up_date` to the date.")
    total_conversations = c.count("Distinct conversations in the window.")
    total_messages = c.count("Messages in the window, of any role.")
    total_credits_used = c.count("Credits used in the window.")
    active_days = dy.Int64(
        min=0, max=WINDOW_DAYS, nullable=False, description="Dates of the window with an event."
    )
    sessions = c.count("Sessions in the window.")
    last_active_at = c.moment("Last event in the window, UTC; null without one.", nullable=True)
    last_active_date = c.day("Last date of the window with an event; null if none.", nullable=True)
    average_session_length = c.number(
        "Mean length of a session of the window, minutes; null if none."
    )
    completion_rate = c.percent("Completed ones of the window's conversations")
    primary_use_case = c.text(
        "Use case of most user messages of the window; null without any.", nullable=True
    )
    preferred_tools = dy.List(
        dy.String(nullable=False),
        nullable=False,
        description="Tools of most calls in the window, most used first, at most "
        f"{MOST_PREFERRED}.",
    )
    frequently_used_prompts = dy.List(
        dy.String(nullable=False),
        nullable=False,
        description="Prompts, in normal form, used at least twice in the window, at most "
        f"{MOST_PREFERRED}, most used first.",
    )
    preferences = c.text(
        "JSON object: of each preference the value used most in the window, at least twice."
    )
    credit_exhaustion_count = c.count("Dates of the window on which the credits were exhausted.")
    retention_cohort = c.label(
        "How far the user came: `churned` from 14 days after signing up, without an event in the "
        "14 days; else the last of `week_2` (from day 14 on), `week_1` (7 to 13), `day_1` (1 to 6) "
        "after signing up with an event; else `day_0`.",
        RETENTION_COHORTS,
    )
    activation_status = c.label(
        "`dormant` from 30 days after signing up, without an event in the 30 days; `power_user` "
        "with 8 active days and 3 creations in them; `first_creation` after a creation; else "
        "`signed_up`.",
        ACTIVATION_STATUSES,
    )
    context_summary = c.text("The profile in a line, for a prompt.")

    @dy.rule()
    def signed_up_by_the_day(cls) -> pl.Expr:
        """`days_since_signup` counts the days from `signed_up_date` to the date."""
        days = (pl.col("date") - pl.col("signed_up_date")).dt.total_days()
        return pl.col("days_since_signup") == days

    @dy.rule()
    def active_within_the_window(cls) -> pl.Expr:
        """The last activity lies in the window, on `last_active_date`, where a day is active."""
        ago = (pl.col("date") - pl.col("last_active_date")).dt.total_days()
        is_active = pl.col("active_days") > 0
        return (
            (is_active == pl.col("last_active_date").is_not_null())
            & pl.col("last_active_at").dt.date().eq_missing(pl.col("last_active_date"))
            & ago.is_between(0, WINDOW_DAYS - 1).fill_null(True)
        )

    @dy.rule()
    def sessions_where_active(cls) -> pl.Expr:
        """There are conversations, and sessions, exactly where there are active days."""
        is_active = pl.col("active_days") > 0
        return (is_active == (pl.col("sessions") > 0)) & (
            is_active == (pl.col("total_conversations") > 0)
        )

    @dy.rule()
    def lists_are_short(cls) -> pl.Expr:
        """No more tools, and no more prompts, than a profile names."""
        return (pl.col("preferred_tools").list.len() <= MOST_PREFERRED) & (
            pl.col("frequently_used_prompts").list.len() <= MOST_PREFERRED
        )

    @dy.rule()
    def tools_are_named(cls) -> pl.Expr:
        """Preferred tools have a name."""
        names = pl.col("preferred_tools").list
        return ~(names.contains(UNKNOWN_TOOL) | names.contains(NO_TOOL))


FIRST_STEPS: Final = Table("conversations.first_steps", FirstSteps, persons=("user_id",))
CREDIT_EXHAUSTION: Final = Table(
    "conversations.credit_exhaustion", CreditExhaustion, "date", persons=("user_id",)
)
USER_PROFILES: Final = Table(
    "conversations.user_profiles", UserProfiles, "date", persons=("user_id", "email")
)

TABLES: Final = (FIRST_STEPS, CREDIT_EXHAUSTION, USER_PROFILES)
