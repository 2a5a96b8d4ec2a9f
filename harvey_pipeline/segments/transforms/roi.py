"""What acting on the segments is worth a year, by tenant."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

import polars as pl

from harvey_pipeline.segments.tables.outcomes import ROI_SUMMARY
from harvey_pipeline.segments.transforms.exact import MILLION, divide_half_up
from harvey_pipeline.segments.transforms.mondays import mondays_of
from harvey_pipeline.segments.transforms.money import (
    from_whole_millionths,
    in_millionths,
    whole,
)
from harvey_pipeline.warehouse.days import blocks_of_days, is_dated

_BLOCK_MONDAYS: Final = 8
_MONTHS: Final = 12
_ONE_OF: Final = 5
"""The share of convertible users who become regular: one of five, the target."""

_KEY: Final = ("date", "tenant_id")
_COLUMNS: Final = list(ROI_SUMMARY.polars_schema)
_HOURS: Final = "estimated_time_savings_hours_month"
_COST: Final = "implementation_cost_usd_year"

_GAINS: Final = ("power_savings_usd_year", "reclaimable_usd_year", "conversion_usd_year")
_COSTS: Final = ("power_cost_usd_year", "conversion_cost_usd_year")


def summarise_return(
    user_segments: pl.LazyFrame,
    recommendations: pl.LazyFrame,
    license_opportunities: pl.LazyFrame,
    hour_value_usd: float,
    conversion_value_usd: float,
    days: Sequence[date],
) -> Iterator[pl.LazyFrame]:
    """`roi_summary` of some days, in blocks of Mondays.

    Args:
        user_segments: `segments.user_segments` of these days.
        recommendations: `segments.recommendations` of these days.
        license_opportunities: `segments.license_opportunities` of these days.
        hour_value_usd: What an hour is worth.
        conversion_value_usd: What a casual user who becomes regular is worth a year.
        days: The days, ascending.
    """
    hour, conversion = (round(value * MILLION) for value in (hour_value_usd, conversion_value_usd))
    for block in blocks_of_days(mondays_of(days), _BLOCK_MONDAYS):
        dated = is_dated(block[0], block[-1])
        users = user_segments.filter(dated).select(
            *_KEY,
            "user_id",
            is_power=pl.col("segment") == "power",
            is_convertible=(pl.col("segment") == "casual")
            & ~pl.col("is_dormant")
            & (pl.col("sub_segment") != "New"),
        )
        sums = _sum(users, recommendations.filter(dated), license_opportunities.filter(dated))
        yield _value(sums, hour, conversion)


def _sum(
    users: pl.LazyFrame, recommendations: pl.LazyFrame, license_opportunities: pl.LazyFrame
) -> pl.LazyFrame:
    """One row per `_KEY` with a user: users, and hours and USD in millionths."""
    by_tenant = users.group_by(_KEY).agg(
        power_users=pl.col("is_power").sum().cast(pl.Int64),
        convertible_users=pl.col("is_convertible").sum().cast(pl.Int64),
    )
    recommended = (
        recommendations.select("date", "user_id", _HOURS, _COST)
        .join(users, on=["date", "user_id"])
        .with_columns(in_millionths(_HOURS), in_millionths(_COST))
        .group_by(_KEY)
        .agg(
            power_hours_month=pl.col(_HOURS).filter("is_power").sum(),
            power_cost_usd_year=pl.col(_COST).filter("is_power").sum(),
            conversion_cost_usd_year=pl.col(_COST).filter("is_convertible").sum(),
        )
    )
    reclaimable = license_opportunities.group_by(_KEY).agg(
        reclaimable_usd_year=in_millionths("reclaimable_usd").sum()
    )
    return (
        by_tenant.join(recommended, on=_KEY, how="left")
        .join(reclaimable, on=_KEY, how="left")
        .with_columns(
            pl.col("power_hours_month", "reclaimable_usd_year", *_COSTS).fill_null(whole(0))
        )
    )


def _value(sums: pl.LazyFrame, hour: int, conversion: int) -> pl.LazyFrame:
    """The table, given the value of an hour and of a conversion in millionths of a USD."""
    saved = whole(_MONTHS) * pl.col("power_hours_month") * whole(hour)
    converted = whole(pl.col("convertible_users")) * whole(conversion)
    total = pl.sum_horizontal(*_GAINS)
    amounts = (*_GAINS, *_COSTS, "power_hours_month", "total_usd_year", "net_usd_year")
    return (
        sums.with_columns(
            power_savings_usd_year=divide_half_up(saved, whole(MILLION)),
            conversion_usd_year=divide_half_up(converted, whole(_ONE_OF)),
        )
        .with_columns(total_usd_year=total, net_usd_year=total - pl.sum_horizontal(*_COSTS))
        .with_columns(from_whole_millionths(pl.col(name)).alias(name) for name in amounts)
        .select(_COLUMNS)
    )
