"""Retention: who comes back, by the day of signing up."""

from collections.abc import Collection, Iterator, Sequence
from datetime import date, timedelta
from typing import Final

import polars as pl

from harvey_pipeline.conversations.tables.labels import MONTH_DAYS, PERIODS, RETENTION_DAYS
from harvey_pipeline.conversations.tables.marts import RETENTION
from harvey_pipeline.conversations.transforms.rates import percent
from harvey_pipeline.conversations.transforms.running import blocks, sum_windows
from harvey_pipeline.warehouse.days import is_dated

_PERIOD: Final = RETENTION.polars_schema["period"]
_COLUMNS: Final = list(RETENTION.polars_schema)


def follow_cohorts(
    first_steps: pl.LazyFrame,
    user_daily: pl.LazyFrame,
    known_days: Collection[date],
    days: Sequence[date],
) -> Iterator[pl.LazyFrame]:
    """`retention` of the cohorts of some days, in blocks of days.

    Args:
        first_steps: `conversations.first_steps`, whole.
        user_daily: `conversations.user_daily` of these days and the 30 after.
        known_days: The days of these that are covered and run.
        days: Consecutive days, ascending.
    """
    for block in blocks(days):
        yield _follow(first_steps, user_daily, known_days, block)


def _follow(
    first_steps: pl.LazyFrame,
    user_daily: pl.LazyFrame,
    known_days: Collection[date],
    days: Sequence[date],
) -> pl.LazyFrame:
    cohorts = first_steps.filter(is_dated(days[0], days[-1], "signed_up_date")).select(
        "user_id", date="signed_up_date"
    )
    last = days[-1] + timedelta(days=RETENTION_DAYS)
    offset = (pl.col("active_date") - pl.col("date")).dt.total_days()
    came_back = (
        user_daily.filter(is_dated(days[0], last))
        .select("user_id", active_date="date")
        .join(cohorts, on="user_id")
        .group_by("date", "user_id")
        .agg(
            offset.is_between(first_day, last_day).any().alias(period)
            for period, (first_day, last_day) in PERIODS.items()
        )
        .group_by("date")
        .agg(pl.col(list(PERIODS)).sum().cast(pl.Int64))
        .unpivot(index="date", variable_name="period", value_name="retained")
    )
    sizes = cohorts.group_by("date").agg(cohort_size=pl.len().cast(pl.Int64))
    retained = pl.when("is_over").then(pl.col("retained").fill_null(0))
    return (
        _cells(known_days, days)
        .join(sizes, on="date", how="left")
        .join(came_back, on=["date", "period"], how="left")
        .with_columns(pl.col("cohort_size").fill_null(0), retained=retained)
        .with_columns(
            pl.col("period").cast(_PERIOD),
            retention_rate=percent(pl.col("retained"), pl.col("cohort_size")),
        )
        .select(_COLUMNS)
    )


def _cells(known_days: Collection[date], days: Sequence[date]) -> pl.LazyFrame:
    """One row per day and period: `is_over`, whether every day of the period is known."""
    known = frozenset(known_days)
    cells = [
        (
            day,
            period,
            all(day + timedelta(days=number) in known for number in range(first, last + 1)),
        )
        for day in days
        for period, (first, last) in PERIODS.items()
    ]
    schema = {"date": pl.Date, "period": pl.String, "is_over": pl.Boolean}
    return pl.LazyFrame(cells, schema=schema, orient="row")


def pool_cohorts(retention: pl.LazyFrame, period: str, days: Sequence[date]) -> pl.LazyFrame:
    """One row per day: `cohort_size` and `retained` of 30 cohorts, cells without a value left out.

    The cohorts are those that end with the latest whose period is over on the day.

    Args:
        retention: `conversations.retention`, at least of these cohorts.
        period: A period of retention.
        days: Consecutive days, ascending.
    """
    _, last = PERIODS[period]
    over = retention.filter(
        (pl.col("period") == period) & pl.col("retained").is_not_null()
    ).with_columns(pl.col("date") + pl.duration(days=last))
    return sum_windows(over, ["cohort_size", "retained"], days, MONTH_DAYS)
