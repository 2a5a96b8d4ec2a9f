"""Engagement by user and by tenant, every day."""

from typing import Final

import dataframely as dy
import polars as pl

from harvey_pipeline.segments.tables.labels import TRENDS
from harvey_pipeline.warehouse import columns as c
from harvey_pipeline.warehouse.table import Keep, Table

HISTOGRAM_BINS: Final = 10

SCORES: Final = (
    "frequency_score",
    "diversity_score",
    "recency_score",
    "consistency_score",
    "depth_score",
    "engagement_score",
    "score_30d",
    "score_30_60d",
    "score_60_90d",
)

_PERCENTILES: Final = ("score_p25", "score_p50", "score_p75")


def _score(description: str) -> dy.Float64:
    """A score; a rule with a name of its own asserts that it runs from 0 to 1."""
    return dy.Float64(nullable=False, description=f"{description}, 0 to 1.")


def _tenant_score(description: str) -> dy.Float64:
    return c.number(f"{description}, 0 to 1; null without active users.", maximum=1.0)


def _tenant_mean(description: str) -> dy.Float64:
    return c.number(f"{description}; null without active users.")


class EngagementScores(dy.Schema):
    """One row per (`date`, `user_id`) valid in `core.dim_user` or seen in the 90 days up to `date`.

    Engagement of users in the window, the 90 days that end on `date`.
    """

    date = c.day("The day.", key=True)
    user_id = c.text("User.", key=True)
    tenant_id = c.text(
        "Tenant: the employee's; else the one with most accesses in the window; else the latest "
        "one of a year; else `unknown`."
    )
    user_created_date = c.day("Date on which the account was created.", nullable=True)
    days_known = c.count(
        "Days since the account was created or, if that is earlier, since the first access or "
        "sign-in within 365 days."
    )
    total_accesses = c.count("Accesses in the window.")
    accesses_30d = c.count("Accesses in the 30 days that end on `date`.")
    active_days = c.count("Days of the window with an access.")
    active_weeks = c.count("Of the 12 weeks that end on `date`, those with an access.")
    unique_apps = c.count("Apps with an access in the window.")
    earnest_apps = c.count(
        "Apps used in earnest: accesses on 3 days or more, and 600 active seconds or more."
    )
    apps_on_offer = c.count(
        "Distinct apps accessed in the tenant in the window; at least 3, at most 15."
    )
    accesses_per_week = c.number("Accesses a week, over the window.")
    active_seconds = c.count("Active time in the window, seconds, at most 43,200 a day.")
    avg_session_minutes = c.number(
        "Active time of a day with an access, minutes; null without access."
    )
    last_access_days_ago = c.count("Days since the last access; null without one.", nullable=True)
    top_app = c.text("The app with most accesses; null without access.", nullable=True)
    top_app_accesses = c.count("Accesses of `top_app`; 0 without access.")
    busiest_day_accesses = c.count("Accesses of the day with most of them.")
    auth_successes = c.count("Successful SSO events in the window.")
    auth_failures = c.count("Failed SSO events in the window.")
    auth_success_rate = c.percent("Successful of all SSO events in the window")
    device_count = c.count("Distinct devices in the window.")
    location_diversity = c.count("Distinct locations in the window.")
    observed_days = c.count("Days of the window that events or SSO events cover.")
    frequency_score = _score("How often: accesses, at most 20 a day, of 500")
    diversity_score = _score("How broadly: apps used in earnest of those on offer")
    recency_score = _score("How recently: 1 up to a day after the last access, 0 from 30 days on")
    consistency_score = _score("How steadily: days with access, at most 4 a week, over 12 weeks")
    depth_score = _score("How deeply: active time of a day with an access, of an hour")
    engagement_score = _score(
        "0.30 x frequency + 0.20 x diversity + 0.20 x recency + 0.15 x consistency + 0.15 x depth"
    )
    score_30d = _score("The same score of the 30 days that end on `date`")
    score_30_60d = _score("The same score of the 30 days before those")
    score_60_90d = _score("The same score of the first 30 days of the window")
    tenant_active_users = c.count("Users of the tenant with an access in the window.")
    percentile = c.number(
        "100 x percent rank of `engagement_score` among the tenant's users with an access in the "
        "window, 0 for a single one; null without access.",
        maximum=100.0,
    )
    trend = c.label(
        "Whether `score_30d` is 0.1 or more above or below the mean of the two scores before; null "
        "where fewer than 80 days of the window are covered or the user is known for less than 90.",
        TRENDS,
        nullable=True,
    )

    @dy.rule()
    def scores_are_0_to_1(cls) -> pl.Expr:
        """Every score runs from 0 to 1."""
        return pl.all_horizontal(pl.col(name).is_between(0.0, 1.0) for name in SCORES)

    @dy.rule()
    def null_exactly_without_access(cls) -> pl.Expr:
        """Percentile, last access, top app and time of a day are null exactly without access."""
        columns = ("percentile", "last_access_days_ago", "top_app", "avg_session_minutes")
        is_idle = pl.col("total_accesses") == 0
        return pl.all_horizontal(pl.col(name).is_null() == is_idle for name in columns)

    @dy.rule()
    def figures_fit_together(cls) -> pl.Expr:
        """No part of a figure exceeds the whole."""
        return pl.all_horizontal(
            pl.col(part) <= pl.col(whole)
            for part, whole in (
                ("accesses_30d", "total_accesses"),
                ("top_app_accesses", "total_accesses"),
                ("busiest_day_accesses", "total_accesses"),
                ("active_days", "total_accesses"),
                ("active_weeks", "active_days"),
                ("earnest_apps", "unique_apps"),
            )
        )


class TenantEngagement(dy.Schema):
    """One row per (`date`, `tenant_id`) with a row in `segments.engagement_scores`.

    Engagement of a tenant's users, means over those with an access in the 90 days up to `date`.
    """

    date = c.day("The day.", key=True)
    tenant_id = c.text("Tenant.", key=True)
    users = c.count("Users.", minimum=1)
    active_users = c.count("Users with an access in the window.")
    mean_score = _tenant_score("Mean `engagement_score`")
    mean_score_30d = _tenant_score("Mean `score_30d`")
    mean_accesses = _tenant_mean("Mean accesses in the window")
    mean_unique_apps = _tenant_mean("Mean number of apps with an access in the window")
    mean_session_minutes = _tenant_mean("Active time of all their days with an access, minutes")
    score_p25 = _tenant_score("25th percentile of `engagement_score`")
    score_p50 = _tenant_score("Median of `engagement_score`")
    score_p75 = _tenant_score("75th percentile of `engagement_score`")
    score_histogram = dy.List(
        dy.Int64(nullable=False),
        nullable=False,
        description="Active users by `engagement_score`: 10 counts, of [0, 0.1) to [0.9, 1].",
    )

    @dy.rule()
    def users_add_up(cls) -> pl.Expr:
        """The histogram's 10 counts add up to the active users, who are no more than all users."""
        histogram = pl.col("score_histogram").cast(pl.List(pl.Int64))
        return (
            (histogram.list.len() == HISTOGRAM_BINS)
            & (histogram.list.min() >= 0)
            & (histogram.list.sum() == pl.col("active_users"))
            & (pl.col("active_users") <= pl.col("users"))
        )

    @dy.rule()
    def null_exactly_without_active_users(cls) -> pl.Expr:
        """Means and percentiles are null exactly without active users."""
        columns = ("mean_score", "mean_score_30d", "mean_session_minutes", *_PERCENTILES)
        is_idle = pl.col("active_users") == 0
        return pl.all_horizontal(pl.col(name).is_null() == is_idle for name in columns)

    @dy.rule()
    def percentiles_ascend(cls) -> pl.Expr:
        """The percentiles of the score do not fall."""
        low, middle, high = (pl.col(name) for name in _PERCENTILES)
        return (low.is_null()) | ((low <= middle) & (middle <= high))


ENGAGEMENT_SCORES: Final = Table(
    "segments.engagement_scores",
    EngagementScores,
    "date",
    persons=("user_id",),
    # Segments read the Mondays of 112 days, on any day of the week after theirs.
    keep=Keep(30, mondays=119),
)
TENANT_ENGAGEMENT: Final = Table("segments.tenant_engagement", TenantEngagement, "date")

TABLES: Final = (ENGAGEMENT_SCORES, TENANT_ENGAGEMENT)
