"""Marts by calendar month."""

import dataframely as dy
import polars as pl

from harvey_pipeline.engagement.tables import rules
from harvey_pipeline.engagement.tables.labels import (
    GRAINS,
    MONTHLY_ENGAGEMENT_LEVELS,
    POWER_USER_TIERS,
)
from harvey_pipeline.warehouse import columns as c


class UserEngagement(dy.Schema):
    """One row per (`activity_month`, `user_id`) with activity in that calendar month."""

    activity_month = c.day("First day of the month.", key=True)
    user_id = c.text("User.", key=True)
    firm_id = c.text("Firm with most queries in the month.")
    num_active_days = dy.Int16(
        min=1, max=31, nullable=False, description="Distinct dates with a query."
    )
    num_queries = c.count("Queries in the month.", minimum=1)
    num_workflow_queries = c.count("Queries of type WORKFLOW in the month.")
    num_vault_queries = c.count("Queries of type VAULT in the month.")
    num_assistant_queries = c.count("Queries of type ASSISTANT in the month.")
    avg_queries_per_active_day = c.number("Queries per active day.")
    num_docs = c.count("Documents processed in the month.")
    avg_docs_per_query = c.number("Documents per query.")
    avg_feedback_score = c.number(
        "Mean score over scored events in the month; null if none.", minimum=1.0, maximum=5.0
    )
    last_active_date = c.day("Last active date in the month.")
    unique_event_types = dy.Int16(
        min=1, max=3, nullable=False, description="Distinct event types in the month."
    )
    active_days_weight = c.weight("Score component of active days.", (0, 20, 40, 60, 80, 100))
    document_volume_weight = c.weight("Score component of documents.", (0, 20, 40, 60, 80, 100))
    feature_breadth_weight = c.weight("Score component of event types.", (40, 70, 100))
    power_user_score = dy.Int16(
        min=0,
        max=100,
        nullable=False,
        description="0.4 active days + 0.3 documents + 0.3 breadth weight.",
    )
    power_user_tier = c.label("Tier of `power_user_score`: absolute.", POWER_USER_TIERS)
    pr_num_queries = c.percent_rank("Percent rank of `num_queries` in the month, 0 to 1.")
    pr_num_docs = c.percent_rank("Percent rank of `num_docs` in the month, 0 to 1.")
    pr_avg_feedback_score = c.percent_rank(
        "Percent rank of `avg_feedback_score` among the month's scored users; 0 without a score."
    )
    engagement_score = c.percent_rank(
        "0.6 `pr_num_queries` + 0.3 `pr_num_docs` + 0.1 `pr_avg_feedback_score`."
    )
    pr_engagement_score = c.percent_rank("Percent rank of `engagement_score` in the month, 0 to 1.")
    engagement_level = c.label(
        "high from `pr_engagement_score` 0.8, medium from 0.3, else low.",
        MONTHLY_ENGAGEMENT_LEVELS,
    )
    is_power_user = c.flag(
        "Level high, active in the previous month too, 2 or more event types: relative."
    )

    @dy.rule()
    def month_starts_on_its_first(cls) -> pl.Expr:
        """`activity_month` is the first of a month."""
        return c.starts_a_month("activity_month")

    @dy.rule()
    def queries_add_up_by_type(cls) -> pl.Expr:
        """Queries are the sum of the three types."""
        return pl.col("num_queries") == pl.sum_horizontal(
            "num_assistant_queries", "num_vault_queries", "num_workflow_queries"
        )

    @dy.rule()
    def last_active_date_in_month(cls) -> pl.Expr:
        """`last_active_date` lies in the month."""
        return pl.col("last_active_date").dt.truncate("1mo") == pl.col("activity_month")

    @dy.rule()
    def score_equals_components(cls) -> pl.Expr:
        """`power_user_score` is the weighted sum of its three weights."""
        return rules.score_equals_components()

    @dy.rule()
    def tier_agrees_with_score(cls) -> pl.Expr:
        """`power_user_tier` is the tier of the score."""
        return rules.tier_agrees_with_score()

    @dy.rule()
    def engagement_score_equals_ranks(cls) -> pl.Expr:
        """`engagement_score` is the weighted sum of its three percent ranks."""
        weighted = (
            pl.col("pr_num_queries") * 0.6
            + pl.col("pr_num_docs") * 0.3
            + pl.col("pr_avg_feedback_score") * 0.1
        )
        return (pl.col("engagement_score") - weighted).abs() < 1e-9

    @dy.rule()
    def level_agrees_with_rank(cls) -> pl.Expr:
        """`engagement_level` is the level of `pr_engagement_score`."""
        rank = pl.col("pr_engagement_score")
        reached = (rank >= 0.8).cast(pl.Int8) + (rank >= 0.3).cast(pl.Int8)
        place = pl.col("engagement_level").cast(pl.String)
        levels = dict(zip(MONTHLY_ENGAGEMENT_LEVELS, (2, 1, 0), strict=True))
        return place.replace_strict(levels, return_dtype=pl.Int8) == reached

    @dy.rule()
    def power_users_are_high_and_broad(cls) -> pl.Expr:
        """Power users have level high and two or more event types."""
        is_high = pl.col("engagement_level").cast(pl.String) == "high"
        return ~pl.col("is_power_user") | (is_high & (pl.col("unique_event_types") >= 2))


class FirmUsageSummary(dy.Schema):
    """One row per (`activity_month`, `firm_id`) with activity in that calendar month."""

    activity_month = c.day("First day of the month.", key=True)
    firm_id = c.text("Firm.", key=True)
    num_active_days = dy.Int16(
        min=1, max=31, nullable=False, description="Distinct dates with a query."
    )
    num_active_users = c.count("Users with a query for the firm.", minimum=1)
    num_queries = c.count("Queries in the month.", minimum=1)
    num_assistant_queries = c.count("Queries of type ASSISTANT in the month.")
    num_vault_queries = c.count("Queries of type VAULT in the month.")
    num_workflow_queries = c.count("Queries of type WORKFLOW in the month.")
    num_docs = c.count("Documents processed in the month.")
    avg_feedback_score = c.number(
        "Mean score over scored events in the month; null if none.", minimum=1.0, maximum=5.0
    )
    queries_per_active_day = c.number("Queries per active day.")
    queries_per_active_user = c.number("Queries per active user.")
    docs_per_query = c.number("Documents per query.")
    firm_size = dy.Int32(
        min=0,
        nullable=True,
        description="Provisioned seats as of the month's last day, or the last covered one in it.",
    )
    arr_usd = c.number("Annual contract value as of the same day, USD.")
    arr_per_user = c.number("`arr_usd` per active user, USD.")
    seat_utilization = c.number("100 x `num_active_users` / `firm_size`; may exceed 100.")

    @dy.rule()
    def month_starts_on_its_first(cls) -> pl.Expr:
        """`activity_month` is the first of a month."""
        return c.starts_a_month("activity_month")

    @dy.rule()
    def queries_add_up_by_type(cls) -> pl.Expr:
        """Queries are the sum of the three types."""
        return pl.col("num_queries") == pl.sum_horizontal(
            "num_assistant_queries", "num_vault_queries", "num_workflow_queries"
        )


class RetentionCohorts(dy.Schema):
    """One row per (`grain`, `cohort_month`, `months_since`): who of a cohort came back."""

    grain = c.label("What is counted: users or firms.", GRAINS, key=True)
    cohort_month = c.day("First day of the calendar month of first activity.", key=True)
    months_since = dy.Int32(
        min=0, primary_key=True, description="Calendar months from `cohort_month`."
    )
    activity_month = c.day("First day of the month in which activity counts.")
    cohort_size = c.count("Users, or firms, whose first activity fell in `cohort_month`.")
    retained = c.count(
        "Of the cohort: active in `activity_month`; null while that is not over.", nullable=True
    )
    retention_rate = c.percent("`retained` of `cohort_size`")
    is_complete = c.flag("Whether `activity_month` is over: events are covered up to its end.")
    is_first_month = c.flag(
        "Whether `cohort_month` holds the first covered day of events, so that most of the cohort "
        "is older than the data."
    )

    @dy.rule()
    def months_start_on_their_first(cls) -> pl.Expr:
        """`cohort_month` and `activity_month` are firsts of months."""
        return c.starts_a_month("activity_month") & c.starts_a_month("cohort_month")

    @dy.rule()
    def activity_month_follows_cohort(cls) -> pl.Expr:
        """`activity_month` is `months_since` months after `cohort_month`."""
        later, cohort = pl.col("activity_month"), pl.col("cohort_month")
        months = (later.dt.year() - cohort.dt.year()) * 12 + (
            later.dt.month().cast(pl.Int32) - cohort.dt.month().cast(pl.Int32)
        )
        return pl.col("months_since") == months

    @dy.rule()
    def incomplete_cells_are_null(cls) -> pl.Expr:
        """`retained` is null exactly in months that are not over."""
        is_complete = pl.col("is_complete")
        return (pl.col("retained").is_not_null() == is_complete) & (
            pl.col("retention_rate").is_null() | is_complete
        )

    @dy.rule()
    def retained_within_cohort(cls) -> pl.Expr:
        """No more retained than members."""
        retained = pl.col("retained")
        return retained.is_null() | (retained <= pl.col("cohort_size"))

    @dy.rule()
    def cohort_is_active_in_its_month(cls) -> pl.Expr:
        """All members are active in the month of their cohort."""
        is_first = (pl.col("months_since") == 0) & pl.col("is_complete")
        return ~is_first | (pl.col("retained") == pl.col("cohort_size"))
