"""Where the users of a segment are one, two and three calendar months later."""

from collections.abc import Collection, Iterator, Sequence
from datetime import date, timedelta
from typing import Final

import polars as pl

from harvey_pipeline.segments.tables.evaluation import STABILITY
from harvey_pipeline.segments.transforms.totals import percent, with_all
from harvey_pipeline.warehouse.days import DayRange, is_dated, last_day, next_month

MONTHS_AFTER: Final = (1, 2, 3)

_JUDGED_AFTER: Final = 3
_COVERED_PERCENT: Final = 80
_TOP_QUARTILE: Final = 75
_POWER_TARGET: Final = 80
"""Percent of power users that is to stay above in the top quartile."""
_CASUAL_TARGETS: Final = (30, 40)
"""Percent of casual users that is expected to fall silent, from and to."""


def follow_segments(
    segments: pl.LazyFrame,
    accesses: pl.LazyFrame,
    run_days: Collection[date],
    covered: Collection[date],
    months: Sequence[date],
) -> Iterator[pl.LazyFrame]:
    """`segments.stability` of consecutive months, one frame a month.

    Args:
        segments: `segments.user_segments` of those months and of the three after them.
        accesses: `segments.user_daily_access` of the three months after each.
        run_days: The days of which both were run.
        covered: The days that events or sign-ins cover.
        months: First days of consecutive months, ascending.
    """
    active: dict[date, pl.Series] = {}
    for month in months:
        later_months = _months_after(month)
        known = [later for later in later_months if _is_known(later, set(run_days), set(covered))]
        active = {
            later: active[later] if later in active else _active_users(accesses, later)
            for later in known
        }
        cohort = _segments_on(segments, last_monday(month)).drop("percentile").collect().lazy()
        yield pl.concat(
            _follow(cohort, segments, month, months_after, later, active.get(later))
            for months_after, later in zip(MONTHS_AFTER, later_months, strict=True)
        ).sort("tenant_id", "segment", "months_after")


def last_monday(month: date) -> date:
    """The last Monday of a calendar month."""
    last = last_day(month)
    return last - timedelta(days=last.weekday())


def _months_after(month: date) -> list[date]:
    months = [next_month(month)]
    while len(months) < len(MONTHS_AFTER):
        months.append(next_month(months[-1]))
    return months


def _is_known(month: date, run_days: set[date], covered: set[date]) -> bool:
    """Whether all of a month is run, and enough of it covered."""
    days = DayRange(month, last_day(month)).days
    seen = len(covered.intersection(days))
    return run_days.issuperset(days) and 100 * seen >= _COVERED_PERCENT * len(days)


def _active_users(accesses: pl.LazyFrame, month: date) -> pl.Series:
    return (
        accesses.filter(is_dated(month, last_day(month)), pl.col("accesses") > 0)
        .select("user_id")
        .unique()
        .collect(engine="streaming")
        .to_series()
    )


def _segments_on(segments: pl.LazyFrame, day: date) -> pl.LazyFrame:
    return segments.filter(is_dated(day, day)).select(
        "user_id", "tenant_id", "segment", "percentile"
    )


def _follow(
    cohort: pl.LazyFrame,
    segments: pl.LazyFrame,
    month: date,
    months_after: int,
    later: date,
    active: pl.Series | None,
) -> pl.LazyFrame:
    """The rows of a month and one later month; `active` are its users if it is known."""
    then = _segments_on(segments, last_monday(later)).select(
        "user_id", "percentile", later_segment="segment"
    )
    is_silent = pl.lit(None, pl.Boolean)
    if active is not None:
        is_silent = ~pl.col("user_id").is_in(active.implode())
    size = pl.col("cohort_size")
    counts = ("same_segment", "in_top_quartile", "inactive")
    by_tenant = (
        cohort.join(then, on="user_id", how="left")
        .group_by("tenant_id", "segment")
        .agg(
            cohort_size=pl.len().cast(pl.Int64),
            # Of a user without a row on the later Monday a comparison is null, which counts 0.
            same_segment=(pl.col("later_segment") == pl.col("segment")).sum().cast(pl.Int64),
            in_top_quartile=(pl.col("percentile") > _TOP_QUARTILE).sum().cast(pl.Int64),
            inactive=is_silent.sum().cast(pl.Int64),
        )
        .collect(engine="streaming")
        .lazy()
    )
    return (
        with_all(by_tenant, "tenant_id")
        .group_by("tenant_id", "segment")
        .agg(pl.col("cohort_size", *counts).sum())
        .with_columns(pl.when(pl.lit(active is not None)).then(pl.col(counts)))
        .with_columns(
            activity_month=pl.lit(month),
            months_after=pl.lit(months_after),
            same_segment_rate=percent(pl.col("same_segment"), size),
            top_quartile_rate=percent(pl.col("in_top_quartile"), size),
            inactive_rate=percent(pl.col("inactive"), size),
            is_met=_is_met() if months_after == _JUDGED_AFTER else pl.lit(None),
        )
        .select(pl.col(name).cast(dtype) for name, dtype in STABILITY.polars_schema.items())
    )


def _is_met() -> pl.Expr:
    """Whether a segment is as stable as is aimed at; null of one without an aim."""
    size, inactive = pl.col("cohort_size"), pl.col("inactive")
    fewest, most = _CASUAL_TARGETS
    return (
        pl.when(pl.col("segment") == "power")
        .then(100 * pl.col("in_top_quartile") > _POWER_TARGET * size)
        .when(pl.col("segment") == "casual")
        .then((100 * inactive).is_between(fewest * size, most * size))
    )
