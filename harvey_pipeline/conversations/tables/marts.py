"""What the subject tells: tools, failures, use cases, the funnel, retention, and market fit."""

from typing import Final

import dataframely as dy
import polars as pl

from harvey_pipeline.conversations.tables.labels import (
    FUNNEL_COHORTS,
    HIGHEST_SATISFACTION,
    PERIODS,
    SIGNALS,
    TOP_USE_CASES,
)
from harvey_pipeline.warehouse import columns as c
from harvey_pipeline.warehouse.table import Table

_KINDS: Final = tuple(SIGNALS)
_SIGNAL_NAMES: Final = tuple(name for names in SIGNALS.values() for name in names)


class ToolUsage(dy.Schema):
    """One row per (`date`, `tool_name`) with a call in the 30 days that end on the date."""

    date = c.day("Day.", key=True)
    tool_name = c.text("Tool; `unknown` where a call names none.", key=True)
    calls = c.count("Calls on the day.")
    successes = c.count("Successful calls on the day.")
    failures = c.count("Failed events of the tool on the day, whatever their type.")
    success_rate = c.percent("Successful calls of these and the failed events of the day")
    users = c.count("Users with a call on the day.")
    credits_used = c.count("Credits of the tool's calls and failed events on the day.")
    calls_30d = c.count("Calls in the 30 days.", minimum=1)
    users_30d = c.count("Users with a call in the 30 days.", minimum=1)
    success_rate_30d = c.percent("Successful calls of these and the failed events of the 30 days")


class FailurePoints(dy.Schema):
    """One row per (`date`, `tool_name`, `error_type`) with a failure in the 30 days."""

    date = c.day("Day.", key=True)
    tool_name = c.text("Tool; `none` where the failed event is of no tool.", key=True)
    error_type = c.text("What went wrong, numbers as `#`.", key=True)
    failure_count = c.count("Failed events on the day.")
    affected_users = c.count("Users with one on the day.")
    failure_count_30d = c.count("Failed events in the 30 days.", minimum=1)
    affected_users_30d = c.count("Users with one in the 30 days.", minimum=1)
    days_30d = c.count("Days with one, of the 30.", minimum=1)
    is_repeated = c.flag("Whether it came on 3 or more of these days, to 2 or more users.")


class WindowConversations(dy.Schema):
    """One row per (`date`, `use_case`): sums of the conversations of the 30 days.

    A conversation is one user's part in one conversation id, its days of the 30 together. The
    marts of conversations are made of these sums.
    """

    date = c.day("Day.", key=True)
    use_case = c.text(
        "Use case of the catalogue, or `other`; the empty text where there are no user messages.",
        key=True,
    )
    conversations = c.count("Conversations of it.", minimum=1)
    users = c.count("Users with one.", minimum=1)
    completed = c.count("Completed ones.")
    credits_used = c.count("Credits used in these.")
    satisfaction = c.count("Their satisfaction signals, added up.")
    messages = c.count("Messages in these, whoever wrote them.")
    loved = c.count("Those with a loved message.")
    requesting = c.count("Those with a feature request.")

    @dy.rule()
    def parts_are_of_the_conversations(cls) -> pl.Expr:
        """No part of the conversations is larger than all, and no signal is above 10."""
        parts = ("users", "completed", "loved", "requesting")
        conversations = pl.col("conversations")
        return pl.all_horizontal(pl.col(part) <= conversations for part in parts) & (
            pl.col("satisfaction") <= HIGHEST_SATISFACTION * conversations
        )


class UseCases(dy.Schema):
    """One row per (`date`, `use_case`): the conversations of the 30 days by their use case.

    A conversation is one user's part in one conversation id, its days of the 30 together; without
    user messages it has no use case and is left out.
    """

    date = c.day("Day.", key=True)
    use_case = c.text("Use case of the catalogue, or `other`.", key=True)
    conversations = c.count("Conversations of it.", minimum=1)
    users = c.count("Users with one.", minimum=1)
    share_percent = c.percent("These of all conversations with a use case")
    completion_rate = c.percent("Completed ones of these")
    credits_used = c.count("Credits used in these.")
    avg_satisfaction = c.number("Mean satisfaction signal of these, 0 to 10.", maximum=10.0)


class ActivationFunnel(dy.Schema):
    """One row per (`date`, `cohort`): how far users have come by the day.

    Cohort `all` are all who signed up by the day, `30d` those who did so in the 30 days that end
    on it. Each step of the journey counts only those of the step before.
    """

    date = c.day("Day.", key=True)
    cohort = c.label("Whose journey.", FUNNEL_COHORTS, key=True)
    total_users = c.count("Users of the cohort.")
    day_1_active = c.count("Active by the day after signing up.")
    first_chat = c.count("Who wrote a message.")
    used_tool = c.count("Of those, who had a tool called.")
    created_content = c.count("Of those, who created something.")
    exhausted_credits = c.count("Of those, who exhausted their credits.")
    first_chat_rate = c.percent("`first_chat` of `total_users`")
    used_tool_rate = c.percent("`used_tool` of `first_chat`")
    created_content_rate = c.percent("`created_content` of `used_tool`")
    exhausted_credits_rate = c.percent("`exhausted_credits` of `created_content`")
    high_usage = c.count(
        "Users whose credits of the calendar month up to the day are 90 % of their limit or more; "
        "a limit of 0 does not count."
    )
    successful_users = c.count("Users with a completed conversation by the day.")


class Retention(dy.Schema):
    """One row per (`date`, `period`): who came back, of the users who signed up on the date.

    Days are counted from signing up: `day_1`, `day_7` and `day_30` are single days, `week_1` the
    days 7 to 13, `week_2` the days 14 to 20.
    """

    date = c.day("Day of signing up.", key=True)
    period = c.label("When a user has to be active.", tuple(PERIODS), key=True)
    cohort_size = c.count("Users who signed up on the date.")
    retained = c.count(
        "Of those, who were active in the period; null unless every day of it is covered and run.",
        nullable=True,
    )
    retention_rate = c.number(
        "`retained` of `cohort_size`, 0 to 100; null with `retained`, or where nobody signed up.",
        maximum=100.0,
    )

    @dy.rule()
    def retained_are_of_the_cohort(cls) -> pl.Expr:
        """No more users are retained than signed up."""
        return pl.col("retained").fill_null(0) <= pl.col("cohort_size")


class PmfSignals(dy.Schema):
    """One row per (`date`, `signal`): the signs for and against product-market fit.

    Window: the 30 days that end on the day, `day_7_retention` aside: there the 30 days of signing
    up that end seven days before.
    """

    date = c.day("Day.", key=True)
    signal = c.label("What is measured.", _SIGNAL_NAMES, key=True)
    kind = c.label("What it speaks for if it is met.", _KINDS)
    numerator = c.count("What is counted.")
    denominator = c.count("Of how many.")
    value = c.number(
        "What is compared with the threshold: a percentage; of `no_credit_exhaustion` and "
        "`repeated_blockers` the numerator, of `short_conversations` messages per conversation."
    )
    threshold = dy.Float64(min=0, nullable=False, description="What the value is compared with.")
    is_met = dy.Bool(
        nullable=True,
        description="Whether the value is above the threshold; of `short_conversations` below it, "
        "of `no_credit_exhaustion` 0. Null with the value.",
    )
    is_reliable = c.flag("Whether the denominator is 20 or more.")

    @dy.rule()
    def met_needs_a_value(cls) -> pl.Expr:
        """A signal is met or not exactly where it has a value."""
        return pl.col("is_met").is_null() == pl.col("value").is_null()


def _pooled(period: str) -> dict[str, dy.Column]:
    last = PERIODS[period][1]
    ending = f"the 30 days that end {last} {'day' if last == 1 else 'days'} before the day"
    return {
        f"{period}_users": c.count(
            f"Users who signed up in {ending}, where `{period}` of their day is known."
        ),
        f"{period}_retained": c.count(f"Of those, who were active in `{period}`."),
        f"{period}_retention": c.percent(f"`{period}_retained` of `{period}_users`"),
    }


def _top_use_case(place: int) -> dict[str, dy.Column]:
    return {
        f"top_use_case_{place}": c.text(
            f"Named use case with most conversations of the 30 days, number {place}.",
            nullable=True,
        ),
        f"top_use_case_{place}_percent": c.number(
            "Its share of all conversations with a use case, 0 to 100; null without it.",
            maximum=100.0,
        ),
    }


_DASHBOARD_COLUMNS: Final[dict[str, dy.Column]] = {
    "date": c.day("Day.", key=True),
    "is_covered": c.flag("Whether the day's events were delivered."),
    "total_users": c.count("Users who signed up by the day."),
    "dau": c.count("Users active on the day."),
    "wau": c.count("Users active in the 7 days that end on it."),
    "mau": c.count("Users active in the 30 days that end on it."),
    "dau_rate": c.percent("`dau` of `total_users`"),
    "stickiness": c.percent("`dau` of `mau`"),
    "new_users": c.count("Users who signed up on the day."),
    "conversations": c.count("Conversations with an event on the day, one for each user in it."),
    "messages": c.count("Messages of the day, of any role."),
    "credits_used": c.count("Credits used on the day."),
    "exhausted_users": c.count("Users who exhausted their credits on the day."),
    "exhausted_users_30d": c.count("Users who did so in the 30 days."),
    "average_session_length": c.number(
        "Mean length of the sessions of the 30 days, minutes; null without any."
    ),
    "completion_rate": c.percent("Completed ones of the conversations of the 30 days"),
    "avg_satisfaction": c.number(
        "Mean satisfaction signal of the conversations of the 30 days, 0 to 10; null without any.",
        maximum=10.0,
    ),
    "error_rate": c.percent("Failed events of the calls and failed events of the 30 days"),
    **{name: column for period in PERIODS for name, column in _pooled(period).items()},
    **{
        name: column
        for place in range(1, TOP_USE_CASES + 1)
        for name, column in _top_use_case(place).items()
    },
    **{
        f"{kind}_signals": c.count(f"Signals of the kind {kind} that are met and reliable.")
        for kind in SIGNALS
    },
}

PmfDashboard: Final = type(
    "PmfDashboard",
    (dy.Schema,),
    {
        "__doc__": "One row per `date`: users, use, credits, retention and market fit at a glance.",
        **_DASHBOARD_COLUMNS,
    },
)

TOOL_USAGE: Final = Table("conversations.tool_usage", ToolUsage, "date")
FAILURE_POINTS: Final = Table("conversations.failure_points", FailurePoints, "date")
WINDOW_CONVERSATIONS: Final = Table(
    "conversations.window_conversations", WindowConversations, "date"
)
USE_CASES: Final = Table("conversations.use_cases", UseCases, "date")
ACTIVATION_FUNNEL: Final = Table("conversations.activation_funnel", ActivationFunnel, "date")
RETENTION: Final = Table("conversations.retention", Retention, "date")
PMF_SIGNALS: Final = Table("conversations.pmf_signals", PmfSignals, "date")
PMF_DASHBOARD: Final = Table(
    "conversations.pmf_dashboard",
    PmfDashboard,
    "date",
    plotted=("dau", "mau", "completion_rate", "error_rate"),
)

TABLES: Final = (
    TOOL_USAGE,
    FAILURE_POINTS,
    WINDOW_CONVERSATIONS,
    USE_CASES,
    ACTIVATION_FUNNEL,
    RETENTION,
    PMF_SIGNALS,
    PMF_DASHBOARD,
)
