"""Reasoning and evidence of a segment, in words.

Scores are whole millionths. Counts stand as digits without separators.
"""

from typing import Final

import polars as pl

from harvey_pipeline.segments.tables.labels import WINDOW_DAYS
from harvey_pipeline.segments.transforms.exact import divide_half_up

_UNKNOWN: Final = "unknown"


def reasoning() -> pl.Expr:
    """Why the segment is what it is, of the columns of `user_segments` and `engagement_scores`."""
    is_another = pl.col("proposed_segment") != pl.col("segment")
    return pl.concat_str(
        pl.col("segment").cast(pl.String).str.to_titlecase(),
        pl.lit(" user ("),
        pl.col("sub_segment").cast(pl.String),
        pl.lit("): engagement score "),
        _three_decimals("engagement_score"),
        pl.lit(", "),
        pl.when(pl.col("percentile").is_null())
        .then(pl.lit("not ranked"))
        .otherwise(pl.format("percentile {}", _whole_below("percentile"))),
        pl.lit(", trend "),
        pl.col("trend").cast(pl.String).fill_null(_UNKNOWN),
        pl.format(
            ". {} accesses of {} apps on {} days in {} days; ",
            "total_accesses",
            "unique_apps",
            "active_days",
            pl.lit(WINDOW_DAYS),
        ),
        pl.when(pl.col("has_access"))
        .then(pl.format("last access {} days ago.", "last_access_days_ago"))
        .otherwise(pl.lit("no access.")),
        pl.when(is_another)
        .then(
            pl.format(
                " This week alone says {} ({}).",
                pl.col("proposed_segment").cast(pl.String),
                pl.col("transition_status").cast(pl.String),
            )
        )
        .otherwise(pl.lit("")),
    )


def evidence() -> pl.Expr:
    """The figures behind it, a list of sentences, with the means of the user's tenant.

    By columns of `engagement_scores`, and `mean_accesses`, `mean_unique_apps` and
    `mean_session_minutes` of `tenant_engagement`.
    """
    minutes = divide_half_up(pl.col("active_seconds"), 60 * pl.col("active_days"))
    of_use = pl.concat_list(
        pl.format(
            "Frequency: {} accesses in {} days (tenant mean {})",
            "total_accesses",
            pl.lit(WINDOW_DAYS),
            _mean("mean_accesses"),
        ),
        pl.format(
            "Diversity: {} of {} apps used in earnest (tenant mean {} apps)",
            "earnest_apps",
            "unique_apps",
            _mean("mean_unique_apps"),
        ),
        pl.format("Recency: last access {} days ago", "last_access_days_ago"),
        pl.format(
            "Consistency: {} days, {} of 12 weeks",
            "active_days",
            "active_weeks",
        ),
        pl.format(
            "Depth: {} minutes a day of use (tenant mean {})",
            minutes,
            _mean("mean_session_minutes"),
        ),
    )
    without_use = pl.concat_list(
        pl.lit(f"No access in {WINDOW_DAYS} days"),
        pl.format("Sign-ins: {} successful, {} failed", "auth_successes", "auth_failures"),
    )
    return pl.when(pl.col("has_access")).then(of_use).otherwise(without_use)


def _three_decimals(millionths: str) -> pl.Expr:
    """A score of whole millionths from 0 on as text, rounded half up."""
    thousandths = divide_half_up(pl.col(millionths), 1000)
    return pl.format(
        "{}.{}", thousandths // 1000, (thousandths % 1000).cast(pl.String).str.zfill(3)
    )


def _whole_below(percentile: str) -> pl.Expr:
    """A percentile down to a whole number; one that is whole but for its last bits is that."""
    return pl.col(percentile).round(6).floor().cast(pl.Int64)


def _mean(name: str) -> pl.Expr:
    """A tenant's mean as text, rounded half up to a whole number."""
    whole = (pl.col(name) + 0.5).floor().cast(pl.Int64)
    return whole.cast(pl.String).fill_null(_UNKNOWN)
