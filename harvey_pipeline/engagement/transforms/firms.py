"""What each firm did on a day and in its trailing window, against seats and contract value."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

import polars as pl

from harvey_pipeline.engagement.dimensions import FIRMS
from harvey_pipeline.engagement.tables import TABLES
from harvey_pipeline.engagement.tables.labels import (
    ADOPTION_LEVELS,
    ARR_TIERS,
    FIRM_HEALTH_STATUSES,
    FIRM_MATURITY_STAGES,
    FIRM_SIZE_CATEGORIES,
)
from harvey_pipeline.engagement.transforms.scoring import (
    average_score,
    lower_bounds,
    percent,
    ratio,
    usage_pattern,
)
from harvey_pipeline.engagement.transforms.windows import (
    QUERIES_BY_TYPE,
    Window,
    blocks_of_windows,
    dated,
    trailing_windows,
)
from harvey_pipeline.history import attributes_as_of

_WINDOW_SUMS: Final = ("queries", *QUERIES_BY_TYPE, "feedback_hundredths", "feedback_count")
_COLUMNS: Final = list(TABLES["marts.daily_firm_usage_summary"].polars_schema)

HEALTH_BOUNDS: Final = ((4.5, 10), (4.0, 5), (3.5, 2), (3.0, 0))
"""Mean score and queries per active user that each of FIRM_HEALTH_STATUSES takes, but the last."""

UNSCORED_QUERIES: Final = 2
"""Queries per active user that make a firm that scored nothing fair."""


def summarise_firms(
    activity: pl.LazyFrame, dim_firms: pl.LazyFrame, days: Sequence[date]
) -> Iterator[pl.LazyFrame]:
    """One row per (`date`, `firm_id`): firms valid on the day or active in its trailing 30 days.

    A firm's users are those with a query for that firm, whatever other firms they work for.

    Args:
        activity: `core.user_daily_activity`, at least for the windows of the days asked for.
        dim_firms: `core.dim_firms`.
        days: Consecutive days, ascending.

    Yields:
        `marts.daily_firm_usage_summary` of some days after others, ordered by day and firm.
    """
    # One row per firm and version: few enough to hold.
    versions = dim_firms.collect(engine="streaming")
    for block in blocks_of_windows(trailing_windows(activity, days, _WINDOW_SUMS)):
        firms = [dated(window.day, _join_usage(window, versions)) for window in block]
        yield _summarise(pl.concat(firms).lazy())


def _join_usage(window: Window, versions: pl.DataFrame) -> pl.DataFrame:
    """One row per `firm_id` valid on the day or active in its window: attributes and counts."""
    attributes, counts = attributes_as_of(FIRMS, versions, window.day), _count_usage(window)
    return (
        attributes.join(counts, on="firm_id", how="full", coalesce=True)
        .filter(pl.col("is_valid") | pl.col("active_users_30d").is_not_null())
        .with_columns(pl.col(name).fill_null(0) for name in counts.columns if name != "firm_id")
    )


def _summarise(firms: pl.LazyFrame) -> pl.LazyFrame:
    return (
        firms.with_columns(_day_figures())
        .with_columns(_window_figures())
        .with_columns(
            adoption_level=adoption_level(pl.col("adoption_rate_30d")),
            firm_health_status=firm_health_status(
                pl.col("total_queries_30d"),
                pl.col("avg_feedback_score_30d"),
                pl.col("queries_per_active_user_30d"),
            ),
            firm_maturity_stage=firm_maturity_stage(pl.col("days_since_firm_creation")),
            firm_size_category=firm_size_category(pl.col("firm_size")),
            arr_tier=arr_tier(pl.col("arr_usd")),
        )
        .select(_COLUMNS)
        .sort("date", "firm_id")
    )


def _count_usage(window: Window) -> pl.DataFrame:
    """One row per `firm_id`: sums of its pairs. A pair is one user, so pairs count users."""
    of_window = window.pairs.group_by("firm_id").agg(
        active_users_30d=pl.len().cast(pl.Int64),
        total_queries_30d=pl.col("queries").sum(),
        scored_events_30d=pl.col("feedback_count").sum(),
        score_hundredths_30d=pl.col("feedback_hundredths").sum(),
        **{f"{name}_30d": pl.col(name).sum() for name in QUERIES_BY_TYPE},
    )
    of_day = window.today.group_by("firm_id").agg(
        pl.col(QUERIES_BY_TYPE).sum(),
        active_users=pl.len().cast(pl.Int64),
        total_queries=pl.col("queries").sum(),
        total_documents_processed=pl.col("documents").sum(),
        scored_events=pl.col("feedback_count").sum(),
        score_hundredths=pl.col("feedback_hundredths").sum(),
    )
    # A firm active on the day is active in the window.
    return of_window.join(of_day, on="firm_id", how="left").with_columns(
        pl.exclude("firm_id").fill_null(0)
    )


def _day_figures() -> list[pl.Expr]:
    """Rates and averages of the `date` itself."""
    queries, active_users = pl.col("total_queries"), pl.col("active_users")
    return [
        average_score(pl.col("score_hundredths"), pl.col("scored_events")).alias(
            "avg_feedback_score"
        ),
        ratio(pl.col("total_documents_processed"), queries).alias("avg_documents_per_query"),
        ratio(queries, active_users).alias("queries_per_active_user"),
        usage_pattern(*map(pl.col, QUERIES_BY_TYPE)).alias("firm_usage_pattern"),
        percent(active_users, pl.col("firm_size")).alias("daily_adoption_rate"),
        (pl.col("date") - pl.col("firm_created_date"))
        .dt.total_days()
        .cast(pl.Int32)
        .alias("days_since_firm_creation"),
    ]


def _window_figures() -> list[pl.Expr]:
    """Rates and averages of the trailing 30 days."""
    active_users, seats = pl.col("active_users_30d"), pl.col("firm_size")
    return [
        average_score(pl.col("score_hundredths_30d"), pl.col("scored_events_30d")).alias(
            "avg_feedback_score_30d"
        ),
        ratio(pl.col("total_queries_30d"), active_users).alias("queries_per_active_user_30d"),
        usage_pattern(*(pl.col(f"{name}_30d") for name in QUERIES_BY_TYPE)).alias(
            "firm_usage_pattern_30d"
        ),
        percent(active_users, seats).alias("adoption_rate_30d"),
        ratio(pl.col("arr_usd"), active_users).alias("arr_per_active_user_30d"),
        (seats.cast(pl.Int64) - active_users).clip(lower_bound=0).alias("unused_seats_30d"),
    ]


def adoption_level(rate: pl.Expr) -> pl.Expr:
    """Level of the window's adoption rate in percent; null where there is none."""
    high, good, moderate, low, very_low = ADOPTION_LEVELS
    bounds = ((80, high), (60, good), (40, moderate), (20, low))
    return lower_bounds(rate, bounds, very_low, ADOPTION_LEVELS)


def firm_health_status(
    queries: pl.Expr, average_feedback: pl.Expr, queries_per_user: pl.Expr
) -> pl.Expr:
    """Health by the window's activity, mean score and queries per active user: first that holds.

    A firm that scored nothing is judged by its queries alone.
    """
    *_, fair, needs_attention, critical = statuses = [pl.lit(one) for one in FIRM_HEALTH_STATUSES]
    is_fair = queries_per_user >= UNSCORED_QUERIES
    unscored = pl.when(is_fair).then(fair).otherwise(needs_attention)
    status: pl.Expr = pl.when(average_feedback.is_not_null()).then(critical).otherwise(unscored)
    for (feedback, least_queries), reached in reversed(
        list(zip(HEALTH_BOUNDS, statuses, strict=False))
    ):
        is_reached = (average_feedback >= feedback) & (queries_per_user >= least_queries)
        status = pl.when(is_reached).then(reached).otherwise(status)
    inactive = pl.when(queries == 0).then(critical)
    return inactive.otherwise(status).cast(pl.Enum(FIRM_HEALTH_STATUSES))


def firm_maturity_stage(days_since_creation: pl.Expr) -> pl.Expr:
    """Stage by whole days since creation; a stage's last days are 30, 90, 180 and 365."""
    new, early, growing, established, mature = FIRM_MATURITY_STAGES
    bounds = ((366, mature), (181, established), (91, growing), (31, early))
    return lower_bounds(days_since_creation, bounds, new, FIRM_MATURITY_STAGES)


def firm_size_category(seats: pl.Expr) -> pl.Expr:
    """Category of the provisioned seats; null where they are unknown."""
    large, medium, small, boutique = FIRM_SIZE_CATEGORIES
    bounds = ((500, large), (100, medium), (25, small))
    return lower_bounds(seats, bounds, boutique, FIRM_SIZE_CATEGORIES)


def arr_tier(arr_usd: pl.Expr) -> pl.Expr:
    """Tier of the annual contract value in USD; null where it is unknown."""
    high, medium, standard, entry = ARR_TIERS
    bounds = ((1_000_000, high), (500_000, medium), (100_000, standard))
    return lower_bounds(arr_usd, bounds, entry, ARR_TIERS)
