"""The activation funnel: how far the users have come by a day."""

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import groupby
from typing import Final

import polars as pl

from harvey_pipeline.conversations.tables.labels import FUNNEL_COHORTS, MONTH_DAYS, STEPS
from harvey_pipeline.conversations.tables.marts import ACTIVATION_FUNNEL
from harvey_pipeline.conversations.transforms.credits import add_limits, is_near_limit
from harvey_pipeline.conversations.transforms.rates import percent
from harvey_pipeline.conversations.transforms.running import total
from harvey_pipeline.warehouse.days import is_dated

_ALL, _RECENT = FUNNEL_COHORTS
_COHORT: Final = ACTIVATION_FUNNEL.polars_schema["cohort"]
_COLUMNS: Final = list(ACTIVATION_FUNNEL.polars_schema)

_STEP_DATES: Final = {
    "first_chat": "first_chat_date",
    "used_tool": "first_tool_date",
    "created_content": "first_creation_date",
    "exhausted_credits": "first_exhaustion_date",
}
_FIGURES: Final = ("total_users", "day_1_active", *STEPS, "high_usage", "successful_users")


def tell_activation(
    first_steps: pl.LazyFrame,
    user_daily: pl.LazyFrame,
    account_versions: pl.LazyFrame,
    usual_limit: int,
    days: Sequence[date],
) -> Iterator[pl.LazyFrame]:
    """`activation_funnel` of some days, a calendar month at a time.

    Args:
        first_steps: `conversations.first_steps`, whole.
        user_daily: `conversations.user_daily` of these days and of those before in their months.
        account_versions: `conversations.dim_account`, whole.
        usual_limit: Credits of a month for whoever has no limit of their own.
        days: Consecutive days, ascending.
    """
    for _, of_month in groupby(days, lambda day: (day.year, day.month)):
        block = list(of_month)
        spans = pl.concat(
            [
                _spans_of_steps(first_steps),
                _spans_of_high_usage(first_steps, user_daily, account_versions, usual_limit, block),
            ]
        )
        yield _finish(_count_spans(spans, block), block)


def _spans_of_steps(first_steps: pl.LazyFrame) -> pl.LazyFrame:
    """One row per user and figure, `since` the first day on which the user counts for it."""
    signed_up = pl.col("signed_up_date")
    first_active = pl.col("first_active_date")
    day_after = signed_up + pl.duration(days=1)
    dates = {
        "total_users": signed_up,
        "day_1_active": pl.when(first_active <= day_after).then(first_active),
        "successful_users": pl.col("first_completion_date"),
    }
    reached = signed_up
    for step, column in _STEP_DATES.items():
        own = pl.col(column)
        reached = pl.when(reached.is_not_null() & own.is_not_null()).then(
            pl.max_horizontal(reached, own)
        )
        dates[step] = reached
    return (
        first_steps.select("signed_up_date", **{f"{name}_since": at for name, at in dates.items()})
        .unpivot(index="signed_up_date", variable_name="figure", value_name="since")
        .filter(pl.col("since").is_not_null())
        .select(
            "signed_up_date",
            pl.col("figure").str.strip_suffix("_since"),
            "since",
            until=pl.lit(None, pl.Date),
        )
    )


def _spans_of_high_usage(
    first_steps: pl.LazyFrame,
    user_daily: pl.LazyFrame,
    account_versions: pl.LazyFrame,
    usual_limit: int,
    days: Sequence[date],
) -> pl.LazyFrame:
    """One row per user and run of days, `since` to before `until`, of the days of one month.

    A user's credits of the month change with use, and the limit with a version of the account.
    """
    first, last = days[0].replace(day=1), days[-1]
    used = user_daily.filter(is_dated(first, last)).select("user_id", "date", "credits_used")
    begun = account_versions.filter(is_dated(first, last, "effective_start_date")).select(
        "user_id", date="effective_start_date", credits_used=pl.lit(0, pl.Int64)
    )
    by_change = (
        pl.concat([used, begun.join(used, on="user_id", how="semi")])
        .group_by("user_id", "date")
        .agg(pl.col("credits_used").sum())
        .sort("user_id", "date")
        .with_columns(
            credits_used_month=pl.col("credits_used").cum_sum().over("user_id"),
            until=pl.col("date").shift(-1).over("user_id"),
        )
    )
    return (
        add_limits(by_change, account_versions, usual_limit)
        .filter(is_near_limit() & (pl.col("credit_limit") > 0))
        .join(first_steps.select("user_id", "signed_up_date"), on="user_id")
        .select("signed_up_date", pl.lit("high_usage").alias("figure"), since="date", until="until")
    )


def _count_spans(spans: pl.LazyFrame, days: Sequence[date]) -> pl.LazyFrame:
    """One row per day, cohort and figure met: the users who count for it on the day.

    In `30d` a user counts from signing up until 30 days later.
    """
    gone = pl.col("signed_up_date") + pl.duration(days=MONTH_DAYS)
    recent = spans.with_columns(until=pl.min_horizontal("until", gone)).filter(
        pl.col("since") < pl.col("until")
    )
    changes = [
        of_cohort.select(
            pl.lit(cohort).alias("cohort"),
            "figure",
            date=pl.col(edge),
            number=pl.lit(change, pl.Int64),
        ).filter(pl.col("date").is_not_null())
        for cohort, of_cohort in ((_ALL, spans), (_RECENT, recent))
        for edge, change in (("since", 1), ("until", -1))
    ]
    summed = (
        pl.concat(changes)
        .group_by("cohort", "figure", "date")
        .agg(pl.col("number").sum())
        .collect(engine="streaming")
    )
    return total(summed.lazy(), ["number"], days, ["cohort", "figure"])


def _finish(counted: pl.LazyFrame, days: Sequence[date]) -> pl.LazyFrame:
    """Both cohorts of every day, with a column for each figure and the rates."""
    wide = counted.group_by("date", "cohort").agg(
        pl.col("number").filter(pl.col("figure") == figure).sum().alias(figure)
        for figure in _FIGURES
    )
    calendar = pl.LazyFrame({"date": list(days)}, schema={"date": pl.Date})
    rates = {
        f"{step}_rate": percent(pl.col(step), pl.col(before))
        for before, step in zip(("total_users", *STEPS), STEPS, strict=False)
    }
    return (
        calendar.join(pl.LazyFrame({"cohort": FUNNEL_COHORTS}), how="cross")
        .join(wide, on=["date", "cohort"], how="left")
        .with_columns(pl.col(_FIGURES).fill_null(0))
        .with_columns(pl.col("cohort").cast(_COHORT), **rates)
        .select(_COLUMNS)
    )
