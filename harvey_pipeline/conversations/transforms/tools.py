"""Tools: how often they are called, and where they fail."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

import polars as pl

from harvey_pipeline.conversations.tables.labels import MONTH_DAYS
from harvey_pipeline.conversations.tables.marts import FAILURE_POINTS, TOOL_USAGE
from harvey_pipeline.conversations.transforms.rates import percent
from harvey_pipeline.conversations.transforms.running import (
    blocks,
    count_windows,
    rows_of_windows,
    sum_windows,
)

REPEATED_DAYS: Final = 3
REPEATED_USERS: Final = 2
"""On so many days of 30, to so many users, a failure is repeated."""

_TOOL: Final = ["tool_name"]
_POINT: Final = ["tool_name", "error_type"]
_SUMS: Final = ["calls", "successes", "failures", "credits_used"]
_TOOL_COLUMNS: Final = list(TOOL_USAGE.polars_schema)
_POINT_COLUMNS: Final = list(FAILURE_POINTS.polars_schema)


def tell_tool_usage(tool_daily: pl.LazyFrame, days: Sequence[date]) -> Iterator[pl.LazyFrame]:
    """`tool_usage` of some days, in blocks of days.

    Args:
        tool_daily: `conversations.tool_daily` of these days and the 29 before.
        days: Consecutive days, ascending.
    """
    for block in blocks(days):
        rows = _read(tool_daily, block, "user_id", *_TOOL, *_SUMS)
        calls = rows.filter(pl.col("calls") > 0)
        key = ["date", *_TOOL]
        of_day = sum_windows(rows, _SUMS, block, 1, _TOOL)
        month = sum_windows(rows, _SUMS, block, MONTH_DAYS, _TOOL).rename(
            {name: f"{name}_30d" for name in _SUMS}
        )
        users = count_windows(calls, "user_id", block, 1, _TOOL).rename({"number": "users"})
        users_month = count_windows(calls, "user_id", block, MONTH_DAYS, _TOOL)
        told = month.filter(pl.col("calls_30d") > 0)
        for other in (of_day, users, users_month.rename({"number": "users_30d"})):
            told = told.join(other, on=key, how="left")
        yield (
            told.with_columns(pl.col(*_SUMS, "users").fill_null(0))
            .with_columns(
                success_rate=_success_rate("successes", "failures"),
                success_rate_30d=_success_rate("successes_30d", "failures_30d"),
            )
            .select(_TOOL_COLUMNS)
        )


def _read(tool_daily: pl.LazyFrame, days: Sequence[date], *columns: str) -> pl.LazyFrame:
    """What several figures of the windows of some days are made of, at hand: it is read once."""
    rows = rows_of_windows(tool_daily, days, MONTH_DAYS).select("date", *columns)
    return rows.collect(engine="streaming").lazy()


def _success_rate(successes: str, failures: str) -> pl.Expr:
    return percent(pl.col(successes), pl.col(successes) + pl.col(failures))


def find_failure_points(tool_daily: pl.LazyFrame, days: Sequence[date]) -> Iterator[pl.LazyFrame]:
    """`failure_points` of some days, in blocks of days.

    Args:
        tool_daily: `conversations.tool_daily` of these days and the 29 before.
        days: Consecutive days, ascending.
    """
    some = tool_daily.filter(pl.col("failures") > 0)
    for block in blocks(days):
        failed = _read(some, block, "user_id", *_POINT, "failures")
        # A pair has one row per day, so that its days are counted by adding up.
        by_day = failed.group_by("date", *_POINT).agg(
            pl.col("failures").sum(), days=pl.lit(1, pl.Int64)
        )
        key = ["date", *_POINT]
        month = sum_windows(by_day, ["failures", "days"], block, MONTH_DAYS, _POINT).rename(
            {"failures": "failure_count_30d", "days": "days_30d"}
        )
        of_day = by_day.select(*key, failure_count="failures")
        users = count_windows(failed, "user_id", block, 1, _POINT)
        users_month = count_windows(failed, "user_id", block, MONTH_DAYS, _POINT)
        told = month.filter(pl.col("failure_count_30d") > 0)
        for other in (
            of_day,
            users.rename({"number": "affected_users"}),
            users_month.rename({"number": "affected_users_30d"}),
        ):
            told = told.join(other, on=key, how="left")
        yield told.with_columns(
            pl.col("failure_count", "affected_users").fill_null(0),
            is_repeated=(pl.col("days_30d") >= REPEATED_DAYS)
            & (pl.col("affected_users_30d") >= REPEATED_USERS),
        ).select(_POINT_COLUMNS)
