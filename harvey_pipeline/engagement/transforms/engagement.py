"""The power-user score: what each user did in the trailing window, and what that makes them."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

import polars as pl

from harvey_pipeline.engagement.dimensions import USERS
from harvey_pipeline.engagement.tables import TABLES
from harvey_pipeline.engagement.transforms import scoring
from harvey_pipeline.engagement.transforms.windows import (
    QUERIES_BY_TYPE,
    SUMS,
    Window,
    blocks_of_windows,
    dated,
    trailing_windows,
)
from harvey_pipeline.history import attributes_as_of

_COLUMNS: Final = list(TABLES["marts.daily_user_engagement"].polars_schema)
_TYPES: Final = TABLES["marts.daily_user_engagement"].polars_schema


def score_engagement(
    activity: pl.LazyFrame, dim_user: pl.LazyFrame, days: Sequence[date]
) -> Iterator[pl.LazyFrame]:
    """`marts.daily_user_engagement` of consecutive days, in blocks of days.

    Args:
        activity: `core.user_daily_activity` of the windows of the days.
        dim_user: `core.dim_user`.
        days: Consecutive days, ascending.
    """
    versions = dim_user.collect()
    for block in blocks_of_windows(trailing_windows(activity, days)):
        users = [dated(window.day, _join_usage(window, versions)) for window in block]
        yield _score(pl.concat(users).lazy())


def _join_usage(window: Window, versions: pl.DataFrame) -> pl.DataFrame:
    """One row per `user_id` valid on the day or active in its window: what they are, and did."""
    attributes = attributes_as_of(USERS, versions, window.day)
    return attributes.join(sum_by_user(window.pairs), on="user_id", how="full", coalesce=True)


def sum_by_user(pairs: pl.DataFrame) -> pl.DataFrame:
    """One row per user: sums, active dates, and the firm that the user worked for most."""
    columns = ["user_id", *SUMS, "active_dates"]
    shares = pairs["user_id"].is_duplicated()
    alone = pairs.filter(~shares).select(*columns, "firm_id", firm_count=pl.lit(1, pl.Int64))
    if not shares.any():
        return alone
    days_since_active = pl.col("active_dates").bitwise_trailing_zeros()
    shared = (
        pairs.filter(shares)
        .sort(pl.col("queries"), days_since_active, "firm_id", descending=[True, False, False])
        .group_by("user_id", maintain_order=True)
        .agg(
            pl.col(SUMS).sum(),
            pl.col("active_dates").bitwise_or(),
            pl.col("firm_id").first(),
            firm_count=pl.len().cast(pl.Int64),
        )
        .select(*columns, "firm_id", "firm_count")
    )
    return pl.concat([alone, shared])


def _score(users: pl.LazyFrame) -> pl.LazyFrame:
    col = pl.col
    today = col("date")
    active_days = col("active_dates").bitwise_count_ones().cast(pl.Int16)
    since_last = col("active_dates").bitwise_trailing_zeros().cast(pl.Int32)
    since_first = 63 - col("active_dates").bitwise_leading_zeros().cast(pl.Int32)
    is_active = col("active_dates") != 0
    types = scoring.unique_event_types(map(col, QUERIES_BY_TYPE))
    return (
        users.filter(col("is_valid").fill_null(False) | col("active_dates").is_not_null())
        .with_columns(pl.col(*SUMS, "active_dates", "firm_count").fill_null(0))
        .with_columns(
            active_days=active_days,
            unique_event_types=types,
            months_since_creation=scoring.months_since(col("user_created_date"), today),
            avg_feedback_score=scoring.average_score(
                col("feedback_hundredths"), col("feedback_count")
            ),
            first_activity_date=pl.when(is_active).then(today - pl.duration(days=since_first)),
            last_activity_date=pl.when(is_active).then(today - pl.duration(days=since_last)),
        )
        .with_columns(
            tenure_band=scoring.tenure_band(col("months_since_creation")),
            total_queries=col("queries"),
            total_documents_processed=col("documents"),
            avg_documents_per_query=scoring.ratio(col("documents"), col("queries")),
            is_active_today=(col("active_dates") & pl.lit(1, pl.Int64)) != 0,
            active_days_weight=scoring.active_days_weight(col("active_days")),
            document_volume_weight=scoring.document_volume_weight(col("documents")),
            feature_breadth_weight=scoring.feature_breadth_weight(col("unique_event_types")),
            engagement_level=scoring.engagement_level(col("queries"), col("active_days")),
            usage_pattern=scoring.usage_pattern(
                col("assistant_queries"), col("vault_queries"), col("workflow_queries")
            ),
            quality_level=scoring.quality_level(col("avg_feedback_score")),
        )
        .with_columns(
            power_user_score=scoring.power_user_score(
                col("active_days_weight"),
                col("document_volume_weight"),
                col("feature_breadth_weight"),
            )
        )
        .with_columns(power_user_tier=scoring.power_user_tier(col("power_user_score")))
        .select(col(name).cast(_TYPES[name]) for name in _COLUMNS)
    )
