"""Who is about to leave, told by the scores of three successive 30 days; and when that is no sign.

All scores are whole millionths.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

import polars as pl

from harvey_pipeline.segments.tables.labels import CHURN_RISKS, SMALL_TENANT
from harvey_pipeline.segments.transforms.holidays import Holiday, is_holiday
from harvey_pipeline.segments.transforms.seasons import in_trillionths
from harvey_pipeline.warehouse.days import is_dated

DIP_DAYS_READ: Final = 56

_RISK: Final = pl.Enum(CHURN_RISKS)
_HIGH, _MEDIUM, _LOW, _VERY_LOW = (pl.lit(risk, dtype=_RISK) for risk in CHURN_RISKS)


def risk_of_churn() -> pl.Expr:
    """The risk by a user's own scores; null without an access in the 90 days.

    By `has_access`, `score_30d`, `score_30_60d`, `score_60_90d`, `is_dormant`, `trend`,
    `proposed_segment`.
    """
    now, before, long_before = (
        pl.col(name) for name in ("score_30d", "score_30_60d", "score_60_90d")
    )
    # Twice the mean of the two thirds before: b >= 0.25, s <= 0.3 b and s <= 0.6 b without halves.
    twice_base = before + long_before
    has_base = twice_base >= 500_000
    has_collapsed = (before > 700_000) & (long_before > 700_000) & (now < 300_000)
    return (
        pl.when(~pl.col("has_access"))
        .then(pl.lit(None, dtype=_RISK))
        .when(has_collapsed | (has_base & (20 * now <= 3 * twice_base)))
        .then(_HIGH)
        .when((has_base & (10 * now <= 3 * twice_base)) | pl.col("is_dormant"))
        .then(_MEDIUM)
        .when((pl.col("trend") == "decreasing") | (pl.col("proposed_segment") == "casual"))
        .then(_LOW)
        .otherwise(_VERY_LOW)
    )


def find_dips(tenants: pl.LazyFrame, mondays: Sequence[date]) -> pl.LazyFrame:
    """The Mondays on which a tenant as a whole is used less than four and eight weeks before.

    Args:
        tenants: `date`, `tenant_id`, `active_users`, `mean_score_30d` of the Mondays, and of those
            up to `DIP_DAYS_READ` before.
        mondays: The Mondays wanted, ascending.

    Returns:
        One row per `date` and `tenant_id` that dips, with what is left of its mean as
        `dip_numerator` / `dip_denominator`.
    """
    means = tenants.select(
        "date", "tenant_id", "active_users", mean=in_trillionths("mean_score_30d")
    )
    earlier = (
        pl.concat(
            means.select("tenant_id", pl.col("date") + timedelta(days=days), "mean")
            for days in (28, DIP_DAYS_READ)
        )
        .filter(pl.col("mean").is_not_null())
        .group_by("date", "tenant_id")
        .agg(dip_denominator=pl.col("mean").sum(), means_before=pl.len().cast(pl.Int64))
    )
    return (
        means.filter(is_dated(mondays[0], mondays[-1]), pl.col("active_users") >= SMALL_TENANT)
        .join(earlier, on=["date", "tenant_id"])
        .select(
            "date",
            "tenant_id",
            "dip_denominator",
            dip_numerator=pl.col("mean") * pl.col("means_before"),
        )
        # Below 0.85; where all means before are 0 nothing is.
        .filter(100 * pl.col("dip_numerator") < 85 * pl.col("dip_denominator"))
    )


def is_suppressed(holidays: Sequence[Holiday], mondays: Sequence[date]) -> pl.Expr:
    """Whether a high or medium `risk` is no sign: holidays, or a dip that the user shares.

    A user shares it whose latest score kept at least half of what the tenant kept of its mean. By
    `date`, the scores of the three thirds, and `find_dips` (null where there is none).
    """
    off = [day for day in mondays if is_holiday(day, holidays)]
    twice_base = pl.col("score_30_60d") + pl.col("score_60_90d")
    left = pl.col("dip_numerator").cast(pl.Int128)
    whole = pl.col("dip_denominator").cast(pl.Int128)
    shares_dip = 4 * pl.col("score_30d").cast(pl.Int128) * whole >= twice_base * left
    is_alarming = (pl.col("risk") == _HIGH) | (pl.col("risk") == _MEDIUM)
    is_no_sign = pl.col("date").is_in(off) | shares_dip.fill_null(value=False)
    return is_alarming.fill_null(value=False) & is_no_sign
