"""Whether those who were said to be about to leave did."""

from collections.abc import Collection, Iterator, Sequence
from datetime import date, timedelta
from typing import Final

import polars as pl

from harvey_pipeline.segments.tables.evaluation import CHURN_BACKTEST
from harvey_pipeline.segments.tables.labels import CHURN_RISKS, MONTH_DAYS
from harvey_pipeline.segments.transforms.mondays import mondays_of
from harvey_pipeline.segments.transforms.totals import percent, with_all
from harvey_pipeline.warehouse.days import DayRange, blocks_of_days, is_dated

_BLOCK_MONDAYS: Final = 5
_FEWEST_COVERED: Final = 24
"""Covered days of the 30 below which silence may be a lack of data."""


def backtest_churn(
    segments: pl.LazyFrame,
    accesses: pl.LazyFrame,
    run_days: Collection[date],
    covered: Collection[date],
    days: Sequence[date],
) -> Iterator[pl.LazyFrame]:
    """`segments.churn_backtest` of the Mondays among some days.

    Args:
        segments: `segments.user_segments` of those days.
        accesses: `segments.user_daily_access` of the 30 days after each.
        run_days: The days of which accesses were run.
        covered: The days that events or sign-ins cover.
        days: Ascending.
    """
    run, seen = set(run_days), set(covered)
    for mondays in blocks_of_days(mondays_of(days), _BLOCK_MONDAYS):
        known = [day for day in mondays if _is_known(day, run, seen)]
        yield _backtest(segments, accesses, known, mondays)


def _days_after(monday: date) -> DayRange:
    """The days in which a user who is told to leave stays or goes."""
    return DayRange(monday + timedelta(days=1), monday + timedelta(days=MONTH_DAYS))


def _is_known(monday: date, run_days: set[date], covered: set[date]) -> bool:
    after = _days_after(monday)
    return after.last in run_days and len(covered.intersection(after.days)) >= _FEWEST_COVERED


def _backtest(
    segments: pl.LazyFrame,
    accesses: pl.LazyFrame,
    known: Collection[date],
    mondays: Sequence[date],
) -> pl.LazyFrame:
    keys = ["date", "tenant_id"]
    by_tenant = (
        segments.filter(is_dated(mondays[0], mondays[-1]), pl.col("churn_risk").is_not_null())
        .select("date", "user_id", "tenant_id", "churn_risk")
        .join(_stayed(accesses, mondays), on=["date", "user_id"], how="left")
        .group_by(*keys, "churn_risk")
        .agg(
            users=pl.len().cast(pl.Int64),
            churned=pl.col("has_stayed").null_count().cast(pl.Int64),
        )
        .collect(engine="streaming")
        .lazy()
    )
    counted = (
        with_all(by_tenant, "tenant_id")
        .group_by(*keys, "churn_risk")
        .agg(pl.col("users", "churned").sum())
    )
    risks = pl.LazyFrame({"churn_risk": CHURN_RISKS}, schema={"churn_risk": pl.Enum(CHURN_RISKS)})
    churned, users = pl.col("churned"), pl.col("users")
    all_churned, all_users = churned.sum().over(keys), users.sum().over(keys)
    return (
        counted.select(keys)
        .unique()
        .join(risks, how="cross")
        .join(counted, on=[*keys, "churn_risk"], how="left")
        .with_columns(
            users=users.fill_null(0),
            churned=pl.when(pl.col("date").is_in(list(known))).then(churned.fill_null(0)),
        )
        .with_columns(precision=percent(churned, users), recall=percent(churned, all_churned))
        .with_columns(
            lift=pl.when(all_churned > 0).then(
                pl.col("precision") / percent(all_churned, all_users)
            )
        )
        .select(pl.col(name).cast(dtype) for name, dtype in CHURN_BACKTEST.polars_schema.items())
        .sort("date", "tenant_id", "churn_risk")
    )


def _stayed(accesses: pl.LazyFrame, mondays: Sequence[date]) -> pl.LazyFrame:
    """One row per Monday and user with an access in the 30 days after it, `has_stayed` true."""
    after = {monday: _days_after(monday) for monday in mondays}
    whole = is_dated(after[mondays[0]].first, after[mondays[-1]].last)
    # The days of neighbouring Mondays overlap: one pass over them serves all.
    return (
        accesses.filter(whole, pl.col("accesses") > 0)
        .group_by("user_id")
        .agg(is_dated(of.first, of.last).any().alias(str(monday)) for monday, of in after.items())
        .unpivot(index="user_id", variable_name="date", value_name="has_stayed")
        .filter("has_stayed")
        .with_columns(pl.col("date").str.to_date("%Y-%m-%d"))
    )
