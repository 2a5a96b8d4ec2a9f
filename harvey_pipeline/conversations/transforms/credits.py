"""From each day's credits to the users near the limit of their calendar month."""

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import groupby
from typing import Final

import polars as pl

from harvey_pipeline.conversations.tables.users import CREDIT_EXHAUSTION
from harvey_pipeline.conversations.transforms.rates import percent
from harvey_pipeline.warehouse.days import is_dated

_COLUMNS: Final = list(CREDIT_EXHAUSTION.polars_schema)


def find_exhaustion(
    user_daily: pl.LazyFrame, accounts: pl.LazyFrame, days: Sequence[date], default_limit: int
) -> Iterator[pl.LazyFrame]:
    """`conversations.credit_exhaustion` of some days, a calendar month at a time.

    Args:
        user_daily: `conversations.user_daily` from the first of the first day's month on.
        accounts: `conversations.dim_account`.
        days: Consecutive days, ascending.
        default_limit: Credits a month of an account that names none, and of who has no account.
    """
    for _, month in groupby(days, key=lambda day: (day.year, day.month)):
        block = list(month)
        used = _use_of_month(user_daily, block[0].replace(day=1), block[-1])
        near = add_limits(used.filter(is_dated(block[0], block[-1])), accounts, default_limit)
        yield _judge(near).select(_COLUMNS).sort("date", "user_id")


def add_limits(rows: pl.LazyFrame, accounts: pl.LazyFrame, default_limit: int) -> pl.LazyFrame:
    """Rows of `user_id` and `date` with the user's `credit_limit` as of the date.

    Args:
        rows: Rows with `user_id`, `date` and whatever else, in any order.
        accounts: `conversations.dim_account`.
        default_limit: The limit where the account names none, or has not begun.
    """
    limits = accounts.select("user_id", "effective_start_date", "credit_limit")
    return (
        rows.sort("date")
        .join_asof(
            limits.sort("effective_start_date"),
            left_on="date",
            right_on="effective_start_date",
            by="user_id",
            check_sortedness=False,
        )
        .drop("effective_start_date", strict=False)
        .with_columns(pl.col("credit_limit").cast(pl.Int64).fill_null(default_limit))
    )


def is_near_limit() -> pl.Expr:
    """Whether `credits_used_month` is at least 90 % of `credit_limit`."""
    return 10 * pl.col("credits_used_month") >= 9 * pl.col("credit_limit")


def _use_of_month(user_daily: pl.LazyFrame, first: date, last: date) -> pl.LazyFrame:
    """The rows of a month with credits or a refusal, with the month's credits up to each."""
    return (
        user_daily.filter(is_dated(first, last))
        .select("date", "user_id", "credits_used", "refusals")
        .filter((pl.col("credits_used") > 0) | (pl.col("refusals") > 0))
        .with_columns(
            credits_used_month=pl.col("credits_used").cum_sum().over("user_id", order_by="date")
        )
    )


def _judge(used: pl.LazyFrame) -> pl.LazyFrame:
    """The rows near their `credit_limit`, and what became of them."""
    upto, limit = pl.col("credits_used_month"), pl.col("credit_limit")
    is_refused = pl.col("refusals") > 0
    return (
        used.filter(is_refused | is_near_limit())
        .with_columns(
            used_percent=percent(upto, limit),
            is_limit_reached=(upto - pl.col("credits_used") < limit) & (limit <= upto),
        )
        .with_columns(is_exhausted=is_refused | pl.col("is_limit_reached"))
    )
