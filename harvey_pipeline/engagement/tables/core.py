"""The dimensions with their history, and the sums of what users do."""

import dataframely as dy
import polars as pl

from harvey_pipeline.engagement.tables.labels import GRAINS
from harvey_pipeline.history import OPEN_END
from harvey_pipeline.warehouse import columns as c


class DimUser(dy.Schema):
    """One row per (`user_id`, `effective_start_date`): a user's versions over time (SCD type 2)."""

    user_dim_key = c.text("Surrogate key: `<user_id>_<effective_start_date as YYYYMMDD>`.")
    user_id = c.text("User.", key=True)
    user_role = c.text("Job title in this version.", nullable=True)
    user_created_date = c.day("Date on which the account was created.")
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


class DimFirms(dy.Schema):
    """One row per (`firm_id`, `effective_start_date`): a firm's versions over time (SCD type 2)."""

    firm_dim_key = c.text("Surrogate key: `<firm_id>_<effective_start_date as YYYYMMDD>`.")
    firm_id = c.text("Firm.", key=True)
    firm_size = dy.Int32(min=0, nullable=False, description="Provisioned seats in this version.")
    arr_usd = dy.Float64(
        min=0, nullable=False, description="Annual contract value in this version, USD."
    )
    firm_created_date = c.day("Date on which the firm became a customer.")
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


class UserDailyActivity(dy.Schema):
    """One row per (`date`, `user_id`, `firm_id`) with at least one event dated that day."""

    date = c.day("The events' own date, UTC, whichever drop brought them.", key=True)
    user_id = c.text("User.", key=True)
    firm_id = c.text("Firm for which the user worked.", key=True)
    queries = c.count("Events; one event is one query.", minimum=1)
    assistant_queries = c.count("Queries of type ASSISTANT.")
    vault_queries = c.count("Queries of type VAULT.")
    workflow_queries = c.count("Queries of type WORKFLOW.")
    documents = c.count("Documents processed: sum of `num_docs`.")
    feedback_sum = dy.Float64(min=0, nullable=False, description="Sum of the feedback scores.")
    feedback_count = c.count("Scored events.")
    high_feedback = c.count("Scored events of 4 or more.")
    low_feedback = c.count("Scored events of 2 or less.")
    first_event_at = c.moment("First event of the day, UTC.")
    last_event_at = c.moment("Last event of the day, UTC.")

    @dy.rule()
    def queries_add_up_by_type(cls) -> pl.Expr:
        """Queries are the sum of the three types."""
        return pl.col("queries") == pl.sum_horizontal(
            "assistant_queries", "vault_queries", "workflow_queries"
        )

    @dy.rule()
    def scored_events_within_queries(cls) -> pl.Expr:
        """No more scored events than queries, no more high and low scores than scored events."""
        return (pl.col("feedback_count") <= pl.col("queries")) & (
            pl.col("high_feedback") + pl.col("low_feedback") <= pl.col("feedback_count")
        )

    @dy.rule()
    def events_on_their_date(cls) -> pl.Expr:
        """First and last event lie on `date`."""
        return (pl.col("first_event_at").dt.date() == pl.col("date")) & (
            pl.col("last_event_at").dt.date() == pl.col("date")
        )


class FirstActivity(dy.Schema):
    """One row per (`grain`, `entity_id`): the first day on which a user, or a firm, was active."""

    grain = c.label("What the row is about: user or firm.", GRAINS, key=True)
    entity_id = c.text("`user_id` or `firm_id`.", key=True)
    first_activity_date = c.day("First date with a query, of all days that were run.")
