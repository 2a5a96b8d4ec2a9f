"""Tenants, by the scores of their users: means, percentiles and a histogram."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

import polars as pl

from harvey_pipeline.segments.tables.scores import HISTOGRAM_BINS, TENANT_ENGAGEMENT
from harvey_pipeline.segments.transforms.exact import MILLION
from harvey_pipeline.segments.transforms.quotients import divide_once
from harvey_pipeline.warehouse.days import blocks_of_days, is_dated

_READ_DAYS: Final = 8
"""Days of scores read at a time."""

_PERCENTILES: Final = {"score_p25": 0.25, "score_p50": 0.5, "score_p75": 0.75}
_READ: Final = (
    "date",
    "tenant_id",
    "total_accesses",
    "unique_apps",
    "active_seconds",
    "active_days",
    "engagement_score",
    "score_30d",
)


def describe_tenants(scores: pl.LazyFrame, days: Sequence[date]) -> Iterator[pl.LazyFrame]:
    """`segments.tenant_engagement` of consecutive days, in blocks of days.

    Args:
        scores: `segments.engagement_scores` of the days.
        days: Consecutive days, ascending.
    """
    for block in blocks_of_days(days, _READ_DAYS):
        yield _describe(scores.filter(is_dated(block[0], block[-1])).select(_READ))


def _describe(scores: pl.LazyFrame) -> pl.LazyFrame:
    col = pl.col
    is_active = col("total_accesses") > 0
    # Whole millionths add up to the same sum in whatever order they come.
    millionths = (col("engagement_score", "score_30d") * MILLION).round().cast(pl.Int64)
    score = col("engagement_score").filter(is_active)
    bin_of = (col("engagement_score") * HISTOGRAM_BINS // MILLION).clip(
        upper_bound=HISTOGRAM_BINS - 1
    )
    bins = [f"bin_{place}" for place in range(HISTOGRAM_BINS)]
    active = col("active_users")
    return (
        scores.with_columns(millionths)
        .group_by("date", "tenant_id")
        .agg(
            users=pl.len().cast(pl.Int64),
            active_users=is_active.sum().cast(pl.Int64),
            **{
                name: col(name).filter(is_active).sum()
                for name in _READ
                if name not in ("date", "tenant_id")
            },
            **{
                name: score.quantile(share, interpolation="linear")
                for name, share in _PERCENTILES.items()
            },
            **{
                name: (is_active & (bin_of == place)).sum().cast(pl.Int64)
                for place, name in enumerate(bins)
            },
        )
        .with_columns(
            mean_score=divide_once(col("engagement_score"), active * MILLION),
            mean_score_30d=divide_once(col("score_30d"), active * MILLION),
            mean_accesses=divide_once(col("total_accesses"), active),
            mean_unique_apps=divide_once(col("unique_apps"), active),
            mean_session_minutes=divide_once(col("active_seconds"), col("active_days") * 60),
            score_histogram=pl.concat_list(bins),
            **{name: divide_once(col(name), pl.lit(MILLION)) for name in _PERCENTILES},
        )
        .sort("date", "tenant_id")
        .select(col(name).cast(dtype) for name, dtype in TENANT_ENGAGEMENT.polars_schema.items())
    )
