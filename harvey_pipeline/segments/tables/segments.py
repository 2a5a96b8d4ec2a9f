"""The weekly table of who is a power, regular or casual user, and what follows from it."""

from typing import Final

import dataframely as dy
import polars as pl

from harvey_pipeline.segments.tables.labels import CHURN_RISKS as _CHURN_RISKS
from harvey_pipeline.segments.tables.labels import SEGMENTS as _SEGMENTS
from harvey_pipeline.segments.tables.labels import SUB_SEGMENTS as _SUB_SEGMENTS
from harvey_pipeline.segments.tables.labels import TRANSITIONS as _TRANSITIONS
from harvey_pipeline.segments.tables.labels import TRENDS as _TRENDS
from harvey_pipeline.warehouse import columns as c
from harvey_pipeline.warehouse.table import Keep, Table

LLM_REASONS: Final = ("near_boundary", "score_moved", "anomaly", "power", "refresh", "flagged")
"""Why a row is worth a model's opinion, in the order in which a row lists them."""

REVIEW_BELOW: Final = 0.6
"""Segments of less confidence need someone to look."""


def _score(description: str) -> dy.Float64:
    return dy.Float64(min=0.0, max=1.0, nullable=False, description=f"{description}, 0 to 1.")


class UserSegments(dy.Schema):
    """One row per (`date`, `user_id`): the segment of every user with a score on a Monday.

    Other days have no rows.
    """

    date = c.day("Monday on which the 90 days that it is judged by end.", key=True)
    user_id = c.text("User.", key=True)
    tenant_id = c.text("The user's tenant on that day; `unknown` where nothing tells one.")
    segment = c.label(
        "The published segment: settled over weeks, and held back where many users of the tenant "
        "change at once.",
        _SEGMENTS,
    )
    previous_segment = c.label(
        "Published segment of the Monday before; null where the user has no row there.",
        _SEGMENTS,
        nullable=True,
    )
    is_changed = c.flag("Whether the segment is another than that of the Monday before.")
    proposed_segment = c.label("What this Monday alone says (the raw segment).", _SEGMENTS)
    transition_status = c.label(
        "Where the user moves: `stable` where this Monday alone says the segment, `watch` where "
        "it says another; `at_risk` (lower) or `rising` (higher) where the Monday before said so "
        "too.",
        _TRANSITIONS,
    )
    is_held_back = c.flag(
        "Whether the tenant's segments are held back: too many users changed at once within the "
        "last four Mondays."
    )
    engagement_score = _score("Engagement score of the 90 days")
    adjusted_score = _score("Engagement score without what the tenant's season makes of it")
    percentile = c.percent(
        "Rank of the engagement score among the tenant's active users; null without an access"
    )
    trend = c.label(
        "Whether the latest 30 days' score is above or below that of the 60 before; null where "
        "those are not known.",
        _TRENDS,
        nullable=True,
    )
    score_change_7d = c.number(
        "Engagement score less that of the Monday before, -1 to 1; null without a row there.",
        minimum=-1.0,
        maximum=1.0,
    )
    is_dormant = c.flag("Whether there is no access in the latest 30 days.")
    is_rapid_growth = c.flag(
        "Whether the scores of 30 days rose from below 0.3, twice, to above 0.7."
    )
    is_gaming_suspected = c.flag(
        "Whether accesses look made up: ten times the rate of before, many apps opened and hardly "
        "used, or half of all accesses on one day."
    )
    churn_risk = c.label(
        "How likely it seems that the user leaves; null without an access in the 90 days.",
        _CHURN_RISKS,
        nullable=True,
    )
    is_churn_suppressed = c.flag(
        "Whether a high or medium risk is told as low: holidays, or the whole tenant dips."
    )
    sub_segment = c.label("Kind of user within the segment.", _SUB_SEGMENTS)
    confidence = _score("How sure the segment is: distance from its bounds, and evidence")
    needs_review = c.flag(f"Whether `confidence`, rounded to 9 decimals, is below {REVIEW_BELOW}.")
    manager_label = c.label(
        "The latest label that someone gave in the 90 days, reviews aside; null without one. It "
        "does not change the segment.",
        _SEGMENTS,
        nullable=True,
    )
    llm_reasons = dy.List(
        dy.String(nullable=False),
        nullable=False,
        description=f"Why it is worth a model's opinion, in this order: {', '.join(LLM_REASONS)}.",
    )
    reasoning = c.text("Why the segment is what it is, in a sentence or two.")
    evidence = dy.List(
        dy.String(nullable=False),
        nullable=False,
        description="The figures behind it, a sentence each, with the tenant's means.",
    )

    @dy.rule()
    def dated_on_a_monday(cls) -> pl.Expr:
        """Rows are of Mondays."""
        return pl.col("date").dt.weekday() == 1

    @dy.rule()
    def changed_where_the_segment_before_is_another(cls) -> pl.Expr:
        """`is_changed` exactly where there is a segment of the Monday before, and another one."""
        return pl.col("is_changed") == (pl.col("segment") != pl.col("previous_segment")).fill_null(
            value=False
        )

    @dy.rule()
    def stable_where_the_proposal_is_the_segment(cls) -> pl.Expr:
        """`transition_status` is `stable` exactly where this Monday alone says the segment."""
        return (pl.col("transition_status") == "stable") == (
            pl.col("segment") == pl.col("proposed_segment")
        )

    @dy.rule()
    def needs_review_where_confidence_is_low(cls) -> pl.Expr:
        """`needs_review` exactly where `confidence`, rounded to 9 decimals, is too low."""
        return pl.col("needs_review") == (pl.col("confidence").round(9) < REVIEW_BELOW)

    @dy.rule()
    def suppressed_risk_is_low(cls) -> pl.Expr:
        """A risk that is suppressed is told as `low`."""
        return ~pl.col("is_churn_suppressed") | (pl.col("churn_risk") == "low").fill_null(
            value=False
        )


USER_SEGMENTS: Final = Table(
    "segments.user_segments", UserSegments, "date", persons=("user_id",), keep=Keep(365)
)

MARKED: Final = USER_SEGMENTS.own_name
"""Folder of the landing folder where `<monday>.accept` lets that Monday's mass changes through."""

TABLES: Final = (USER_SEGMENTS,)
