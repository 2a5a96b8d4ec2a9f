"""The dashboard of product-market fit: users, use, credits, retention and signals at a glance."""

from collections.abc import Collection, Iterator, Sequence
from datetime import date
from typing import Final

import polars as pl

from harvey_pipeline.conversations.tables.labels import (
    MONTH_DAYS,
    OTHER,
    PERIODS,
    SIGNALS,
    TOP_USE_CASES,
)
from harvey_pipeline.conversations.tables.marts import PMF_DASHBOARD
from harvey_pipeline.conversations.transforms.rates import percent, quotient
from harvey_pipeline.conversations.transforms.retention import pool_cohorts
from harvey_pipeline.conversations.transforms.running import (
    blocks,
    count_windows,
    sum_windows,
    total,
)
from harvey_pipeline.conversations.transforms.window_conversations import (
    sum_window_conversations,
)
from harvey_pipeline.warehouse.days import is_dated

WEEK_DAYS: Final = 7
_MINUTE: Final = 60
_COLUMNS: Final = list(PMF_DASHBOARD.polars_schema)


def tell_market_fit(
    first_steps: pl.LazyFrame,
    user_daily: pl.LazyFrame,
    window_conversations: pl.LazyFrame,
    credit_exhaustion: pl.LazyFrame,
    retention: pl.LazyFrame,
    use_cases: pl.LazyFrame,
    pmf_signals: pl.LazyFrame,
    order: Sequence[str],
    covered_days: Collection[date],
    days: Sequence[date],
) -> Iterator[pl.LazyFrame]:
    """`pmf_dashboard` of some days, in blocks of days.

    Args:
        first_steps: `conversations.first_steps`, whole.
        user_daily: `conversations.user_daily` of these days and the 29 before.
        window_conversations: `conversations.window_conversations` of these days.
        credit_exhaustion: `conversations.credit_exhaustion` of these days and the 29 before.
        retention: `conversations.retention` of the 59 days before these days.
        use_cases: `conversations.use_cases` of these days.
        pmf_signals: `conversations.pmf_signals` of these days.
        order: The use cases of the catalogue, in its order.
        covered_days: The days of these of which events were delivered.
        days: Consecutive days, ascending.
    """
    for block in blocks(days):
        parts = [
            _count_users(first_steps, user_daily, credit_exhaustion, block),
            _sum_use(user_daily, block),
            _describe_conversations(window_conversations, block),
            *(_retain(retention, period, block) for period in PERIODS),
            _rank_use_cases(use_cases, order, block),
            _count_signals(pmf_signals, block),
        ]
        told = pl.LazyFrame(
            {"date": list(block), "is_covered": [day in covered_days for day in block]},
            schema={"date": pl.Date, "is_covered": pl.Boolean},
        )
        for part in parts:
            told = told.join(part, on="date", how="left")
        yield (
            told.with_columns(
                dau_rate=percent(pl.col("dau"), pl.col("total_users")),
                stickiness=percent(pl.col("dau"), pl.col("mau")),
            ).select(_COLUMNS)
        )


def _count_users(
    first_steps: pl.LazyFrame,
    user_daily: pl.LazyFrame,
    credit_exhaustion: pl.LazyFrame,
    days: Sequence[date],
) -> pl.LazyFrame:
    """One row per day: users signed up, active, and out of credits."""
    signed_up = (
        first_steps.filter(pl.col("signed_up_date").is_not_null())
        .group_by(date="signed_up_date")
        .agg(number=pl.len().cast(pl.Int64))
    )
    exhausted = credit_exhaustion.filter("is_exhausted")
    numbers = {
        "new_users": sum_windows(signed_up, ["number"], days, 1),
        "dau": count_windows(user_daily, "user_id", days, 1),
        "wau": count_windows(user_daily, "user_id", days, WEEK_DAYS),
        "mau": count_windows(user_daily, "user_id", days, MONTH_DAYS),
        "exhausted_users": count_windows(exhausted, "user_id", days, 1),
        "exhausted_users_30d": count_windows(exhausted, "user_id", days, MONTH_DAYS),
    }
    counted = total(signed_up, ["number"], days).rename({"number": "total_users"})
    for name, number in numbers.items():
        counted = counted.join(number.rename({"number": name}), on="date")
    return counted


def _sum_use(user_daily: pl.LazyFrame, days: Sequence[date]) -> pl.LazyFrame:
    """One row per day: what was done on it, and sessions and failures of the 30 days."""
    of_day = sum_windows(user_daily, ["conversations", "messages", "credits_used"], days, 1)
    sums = ["sessions", "session_seconds", "failures", "attempts"]
    seconds = pl.col("session_seconds")
    return of_day.join(sum_windows(user_daily, sums, days, MONTH_DAYS), on="date").select(
        "date",
        "conversations",
        "messages",
        "credits_used",
        average_session_length=quotient(seconds, _MINUTE * pl.col("sessions")),
        error_rate=percent(pl.col("failures"), pl.col("attempts")),
    )


def _describe_conversations(
    window_conversations: pl.LazyFrame, days: Sequence[date]
) -> pl.LazyFrame:
    """One row per day: how the window conversations went, whatever their use case."""
    names = ("conversations", "completed", "satisfaction")
    number = pl.col("conversations")
    return sum_window_conversations(
        window_conversations, days, **{name: pl.col(name) for name in names}
    ).select(
        "date",
        completion_rate=percent(pl.col("completed"), number),
        avg_satisfaction=quotient(pl.col("satisfaction"), number),
    )


def _retain(retention: pl.LazyFrame, period: str, days: Sequence[date]) -> pl.LazyFrame:
    """One row per day: the pooled cohorts of a period."""
    return pool_cohorts(retention, period, days).select(
        "date",
        pl.col("cohort_size").alias(f"{period}_users"),
        pl.col("retained").alias(f"{period}_retained"),
        percent(pl.col("retained"), pl.col("cohort_size")).alias(f"{period}_retention"),
    )


def _rank_use_cases(
    use_cases: pl.LazyFrame, order: Sequence[str], days: Sequence[date]
) -> pl.LazyFrame:
    """One row per day with a named use case: the first by conversations, then in some order."""
    places = pl.LazyFrame(
        {"use_case": list(order), "place": range(len(order))},
        schema={"use_case": pl.String, "place": pl.Int64},
    )
    ranked = (
        use_cases.filter(is_dated(days[0], days[-1]) & (pl.col("use_case") != OTHER))
        .join(places, on="use_case", how="left")
        .sort(
            "date",
            "conversations",
            "place",
            "use_case",
            descending=[False, True, False, False],
            nulls_last=True,
        )
    )
    return ranked.group_by("date").agg(
        one
        for place in range(TOP_USE_CASES)
        for one in (
            pl.col("use_case").get(place, null_on_oob=True).alias(f"top_use_case_{place + 1}"),
            pl.col("share_percent")
            .get(place, null_on_oob=True)
            .alias(f"top_use_case_{place + 1}_percent"),
        )
    )


def _count_signals(pmf_signals: pl.LazyFrame, days: Sequence[date]) -> pl.LazyFrame:
    """One row per day: the signals of each kind that are met and reliable."""
    counts = pl.col("is_met").fill_null(value=False) & pl.col("is_reliable")
    return (
        pmf_signals.filter(is_dated(days[0], days[-1]))
        .group_by("date")
        .agg(
            (counts & (pl.col("kind") == kind)).sum().cast(pl.Int64).alias(f"{kind}_signals")
            for kind in SIGNALS
        )
    )
