"""Who has another tier than 30 days before, and which part of the score moved them there."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Final

import polars as pl

from harvey_pipeline.engagement.tables import TABLES
from harvey_pipeline.engagement.tables.labels import DIRECTIONS, SCORE_COMPONENTS, WINDOW_DAYS
from harvey_pipeline.engagement.transforms.scoring import SCORE_TENTHS
from harvey_pipeline.warehouse.days import blocks_of_days, is_dated

_BLOCK_DAYS: Final = 3
"""Days compared at a time: with those before, 1.2 million rows where there are 200,000 users."""

_COMPARED_BEFORE: Final = timedelta(days=WINDOW_DAYS)

_TENTHS: Final = dict(zip(SCORE_COMPONENTS, SCORE_TENTHS, strict=True))
"""Tenths of each component that make up the score."""

_MEASURES: Final = dict(
    zip(
        SCORE_COMPONENTS,
        ("active_days", "total_documents_processed", "unique_event_types"),
        strict=True,
    )
)
"""What each component goes by."""

_COMPARED: Final = (
    "power_user_tier",
    "power_user_score",
    *SCORE_COMPONENTS,
    *_MEASURES.values(),
)


def compare_tiers(engagement: pl.LazyFrame, days: Sequence[date]) -> Iterator[pl.LazyFrame]:
    """`marts.tier_changes` of some days, in blocks of days, ordered by day and user.

    Args:
        engagement: `marts.daily_user_engagement` of the days and of those 30 days before. Where a
            day before has no rows, nobody changed.
        days: Days, ascending.
    """
    table = TABLES["marts.tier_changes"]
    for block in blocks_of_days(days, _BLOCK_DAYS):
        first, last = block[0], block[-1]
        now = engagement.filter(is_dated(first, last)).select(
            "date", "user_id", "firm_id", *(pl.col(name).alias(f"{name}_now") for name in _COMPARED)
        )
        before = engagement.filter(
            is_dated(first - _COMPARED_BEFORE, last - _COMPARED_BEFORE)
        ).select(
            pl.col("date") + _COMPARED_BEFORE,
            "user_id",
            *(pl.col(name).alias(f"{name}_before") for name in _COMPARED),
        )
        changed = (
            now.join(before, on=["date", "user_id"])
            .filter(pl.col("power_user_tier_now") != pl.col("power_user_tier_before"))
            .collect(engine="streaming")
        )
        yield (
            _explain(changed.lazy())
            .select(pl.col(name).cast(dtype) for name, dtype in table.polars_schema.items())
            .sort(table.key)
        )


def _explain(changed: pl.LazyFrame) -> pl.LazyFrame:
    """The direction of each change, and the component that moved the score most that way."""
    up, down = DIRECTIONS
    is_up = pl.col("power_user_score_now") > pl.col("power_user_score_before")
    return (
        changed.with_columns(
            tier_before="power_user_tier_before",
            tier_now="power_user_tier_now",
            score_before="power_user_score_before",
            score_now="power_user_score_now",
            direction=pl.when(is_up).then(pl.lit(up)).otherwise(pl.lit(down)),
        )
        .with_columns(main_component=_main_component(is_up))
        .with_columns(_measure("before"), _measure("now"))
    )


def _main_component(is_up: pl.Expr) -> pl.Expr:
    """The component with most weighted points that way; of several the first."""
    sign = pl.when(is_up).then(1).otherwise(-1)
    moved = {
        name: (pl.col(f"{name}_now") - pl.col(f"{name}_before")).cast(pl.Int32) * tenths * sign
        for name, tenths in _TENTHS.items()
    }
    most = pl.max_horizontal(moved.values())
    return pl.coalesce(pl.when(points == most).then(pl.lit(name)) for name, points in moved.items())


def _measure(when: str) -> pl.Expr:
    """What the main component goes by."""
    main = pl.col("main_component")
    return pl.coalesce(
        pl.when(main == name).then(pl.col(f"{measure}_{when}"))
        for name, measure in _MEASURES.items()
    ).alias(f"measure_{when}")
