"""Seasons: by how much all of a tenant are above or below their usual, and scores without that.

An index is the tenant's mean score of the same week a year before, against the mean of the year
around that week, so that a year's growth is no season. Where there is no such history it is the
mean of now against that of the quarter before, downwards only.

Means are compared in whole trillionths (the stored means, rounded at 12 decimals), an index is a
quotient of two whole numbers, and an adjusted score is rounded half up from the exact quotient: no
figure depends on the order in which means are summed.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

import polars as pl

from harvey_pipeline.segments.transforms.exact import MILLION, divide_half_up
from harvey_pipeline.warehouse.days import is_dated

DAYS_READ: Final = 637
"""How far back the index of a Monday reads its tenant's means."""

_TRILLION: Final = 10**12
_QUARTER_DAYS: Final = 91
_YEAR_DAYS: Final = 364
_FEWEST_OF_YEAR: Final = 26
_FEWEST_OF_QUARTER: Final = 8
_LOWEST: Final = (4, 5)
_HIGHEST: Final = (5, 4)
_UNCHANGED: Final = (1, 1)

_KEY: Final = ("tenant_id", "date")


def index_seasons(tenants: pl.LazyFrame, mondays: Sequence[date]) -> pl.LazyFrame:
    """The index of each tenant and Monday.

    Args:
        tenants: `date`, `tenant_id`, `mean_score` of the Mondays up to `DAYS_READ` days before
            the first; other days are left out.
        mondays: The Mondays wanted, ascending.

    Returns:
        One row per `date` and `tenant_id` that `tenants` has on these Mondays, with the index as
        `index_numerator` / `index_denominator`, both above 0.
    """
    means = (
        tenants.filter(is_dated(mondays[0] - timedelta(days=DAYS_READ), mondays[-1]))
        .filter(pl.col("date").dt.weekday() == 1)
        .select(*_KEY, mean=in_trillionths("mean_score"))
    )
    counted = (
        means.join(_shifted(means, _QUARTER_DAYS, "quarter_before"), on=_KEY, how="left")
        # Until there are means of a quarter before, windows are half filled.
        .select(*_KEY, mean=pl.when(pl.col("quarter_before").is_not_null()).then(pl.col("mean")))
        .sort(_KEY)
    )
    found = (
        counted.join(_shifted(counted, _YEAR_DAYS, "year_before"), on=_KEY, how="left")
        .join(_sum_window(counted, "year", 182, 546), on=_KEY)
        .join(_sum_window(counted, "quarter", 7, 91), on=_KEY)
        .filter(is_dated(mondays[0], mondays[-1]))
    )
    has_year = (
        pl.col("year_before").is_not_null()
        & (pl.col("year_count") >= _FEWEST_OF_YEAR)
        & (pl.col("year_sum") > 0)
    )
    has_quarter = (
        pl.col("mean").is_not_null()
        & (pl.col("quarter_count") >= _FEWEST_OF_QUARTER)
        & (pl.col("quarter_sum") > 0)
    )
    of_year = _bounded(
        pl.col("year_before") * pl.col("year_count"), pl.col("year_sum"), _LOWEST, _HIGHEST
    )
    of_quarter = _bounded(
        pl.col("mean") * pl.col("quarter_count"), pl.col("quarter_sum"), _LOWEST, _UNCHANGED
    )
    chosen = [
        pl.when(has_year).then(year).when(has_quarter).then(quarter).otherwise(one).cast(pl.Int64)
        for year, quarter, one in zip(of_year, of_quarter, _UNCHANGED, strict=True)
    ]
    return found.select("date", "tenant_id", index_numerator=chosen[0], index_denominator=chosen[1])


def adjust(score: pl.Expr) -> pl.Expr:
    """A score of whole millionths by the index, at most a million; without an index as it is."""
    numerator = pl.col("index_numerator").fill_null(1).cast(pl.Int128)
    denominator = pl.col("index_denominator").fill_null(1).cast(pl.Int128)
    quotient = divide_half_up(score.cast(pl.Int128) * denominator, numerator)
    return pl.min_horizontal(quotient, pl.lit(MILLION, dtype=pl.Int128)).cast(pl.Int64)


def is_index_at_a_bound() -> pl.Expr:
    """Whether an index is the lowest or the highest that there may be."""
    return pl.any_horizontal(
        pl.col("index_numerator") * below == pl.col("index_denominator") * above
        for above, below in (_LOWEST, _HIGHEST)
    )


def in_trillionths(mean: str) -> pl.Expr:
    """A mean as a whole number, of which sums are exact."""
    return (pl.col(mean) * _TRILLION).round().cast(pl.Int64)


def _shifted(means: pl.LazyFrame, days: int, name: str) -> pl.LazyFrame:
    """The means under the dates so many days later."""
    return means.select(
        "tenant_id", pl.col("date") + timedelta(days=days), pl.col("mean").alias(name)
    )


def _sum_window(counted: pl.LazyFrame, name: str, last: int, first: int) -> pl.LazyFrame:
    """Sum and number of the means from `first` to `last` days before each date, both included."""
    return counted.rolling(
        "date",
        period=f"{first - last + 1}d",
        offset=f"-{first + 1}d",
        closed="right",
        group_by="tenant_id",
    ).agg(
        pl.col("mean").sum().alias(f"{name}_sum"),
        pl.col("mean").count().cast(pl.Int64).alias(f"{name}_count"),
    )


def _bounded(
    numerator: pl.Expr, denominator: pl.Expr, lowest: tuple[int, int], highest: tuple[int, int]
) -> list[pl.Expr]:
    """A quotient, or the bound that it passes, as numerator and denominator."""
    is_low = numerator * lowest[1] <= denominator * lowest[0]
    is_high = numerator * highest[1] >= denominator * highest[0]
    return [
        pl.when(is_low).then(low).when(is_high).then(high).otherwise(own)
        for low, high, own in zip(lowest, highest, (numerator, denominator), strict=True)
    ]
