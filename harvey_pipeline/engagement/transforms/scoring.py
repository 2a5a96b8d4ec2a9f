"""Scores, tiers and labels: the thresholds of the marts, as expressions without grain."""

from collections.abc import Iterable
from typing import Final

import polars as pl

from harvey_pipeline.engagement.tables.labels import (
    ENGAGEMENT_LEVELS,
    POWER_USER_TIERS,
    QUALITY_LEVELS,
    TENURE_BANDS,
    USAGE_PATTERNS,
)

Bounds = tuple[tuple[float, str], ...]

Weights = tuple[tuple[int, int], ...]
"""From which measure on a component weighs how much, the most first; below the last nothing."""

ACTIVE_DAYS_WEIGHTS: Final[Weights] = ((20, 100), (15, 80), (10, 60), (5, 40), (2, 20))
DOCUMENT_VOLUME_WEIGHTS: Final[Weights] = ((100, 100), (50, 80), (25, 60), (10, 40), (5, 20))
FEATURE_BREADTH_WEIGHTS: Final[Weights] = ((3, 100), (2, 70), (1, 40))

SCORE_TENTHS: Final = (4, 3, 3)
"""Tenths of active days, documents and breadth in the score."""

TIER_BOUNDS: Final[Bounds] = tuple(zip((80, 60, 40, 20), POWER_USER_TIERS, strict=False))
"""From which score on a tier is reached, the best first; below the last is the last tier."""

LEVEL_BOUNDS: Final = ((20, 15), (10, 8), (5, 3), (1, 0))
"""Queries and active days that each of ENGAGEMENT_LEVELS takes, but the last one."""


def ratio(numerator: pl.Expr, denominator: pl.Expr) -> pl.Expr:
    """Numerator / denominator in double precision; null where the denominator is 0 or null.

    By one value for all rows polars does not divide but multiplies by its inverse, which is off by
    the last bit for some. So the denominator is made a value of each row.
    """
    part = numerator.cast(pl.Float64)
    base = denominator.cast(pl.Float64) + part * 0
    return pl.when(base != 0).then(part / base)


def percent(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    """100 x part / whole; null where the whole is 0 or null."""
    return ratio(part * 100, whole)


def average_score(hundredths: pl.Expr, count: pl.Expr) -> pl.Expr:
    """Mean score from a sum in hundredths, divided once; null without scored events."""
    return ratio(hundredths, count * 100)


def lower_bounds(
    value: pl.Expr, bounds: Bounds, otherwise: str, labels: tuple[str, ...]
) -> pl.Expr:
    """The label of the first bound, from the highest down, that the value reaches; null stays."""
    # Labels that are labels from the start take a quarter of the time of text that is cast.
    kind = pl.Enum(labels)
    label: pl.Expr = pl.lit(otherwise, dtype=kind)
    for limit, reached in reversed(bounds):
        label = pl.when(value >= limit).then(pl.lit(reached, dtype=kind)).otherwise(label)
    return pl.when(value.is_not_null()).then(label)


def active_days_weight(active_days: pl.Expr) -> pl.Expr:
    """Score component of active days: 0, 20, 40, 60, 80 or 100."""
    return _weight(active_days, ACTIVE_DAYS_WEIGHTS)


def document_volume_weight(documents: pl.Expr) -> pl.Expr:
    """Score component of documents: 0, 20, 40, 60, 80 or 100."""
    return _weight(documents, DOCUMENT_VOLUME_WEIGHTS)


def feature_breadth_weight(event_types: pl.Expr) -> pl.Expr:
    """Score component of distinct event types: 0, 40, 70 or 100."""
    return _weight(event_types, FEATURE_BREADTH_WEIGHTS)


def _weight(value: pl.Expr, weights: Weights) -> pl.Expr:
    expression: pl.Expr = pl.lit(0, dtype=pl.Int16)
    for limit, weight in reversed(weights):
        expression = pl.when(value >= limit).then(pl.lit(weight, pl.Int16)).otherwise(expression)
    return expression


def power_user_score(active_days: pl.Expr, documents: pl.Expr, breadth: pl.Expr) -> pl.Expr:
    """0.4 x active days + 0.3 x documents + 0.3 x breadth weight, in integers: 0 to 100."""
    days, volume, types = SCORE_TENTHS
    tenfold = (
        active_days.cast(pl.Int32) * days
        + documents.cast(pl.Int32) * volume
        + breadth.cast(pl.Int32) * types
    )
    return (tenfold // 10).cast(pl.Int16)


def power_user_tier(score: pl.Expr) -> pl.Expr:
    """Tier of `power_user_score`."""
    return lower_bounds(score, TIER_BOUNDS, POWER_USER_TIERS[-1], POWER_USER_TIERS)


def engagement_level(queries: pl.Expr, active_days: pl.Expr) -> pl.Expr:
    """Level by queries and active days: the first whose both thresholds are reached."""
    *levels, inactive = ENGAGEMENT_LEVELS
    kind = pl.Enum(ENGAGEMENT_LEVELS)
    level: pl.Expr = pl.lit(inactive, dtype=kind)
    for (least_queries, least_days), reached in reversed(
        list(zip(LEVEL_BOUNDS, levels, strict=True))
    ):
        is_reached = (queries >= least_queries) & (active_days >= least_days)
        level = pl.when(is_reached).then(pl.lit(reached, dtype=kind)).otherwise(level)
    return level


def unique_event_types(queries: Iterable[pl.Expr]) -> pl.Expr:
    """How many event types have a query, from the queries of each."""
    return pl.sum_horizontal((count > 0).cast(pl.Int16) for count in queries).cast(pl.Int16)


def usage_pattern(assistant: pl.Expr, vault: pl.Expr, workflow: pl.Expr) -> pl.Expr:
    """Which event type strictly leads both others; balanced where all are equal and above 0."""
    by_assistant, by_vault, by_workflow, balanced, mixed, none = (
        pl.lit(pattern, dtype=pl.Enum(USAGE_PATTERNS)) for pattern in USAGE_PATTERNS
    )
    return (
        pl.when((assistant + vault + workflow) == 0)
        .then(none)
        .when((assistant > vault) & (assistant > workflow))
        .then(by_assistant)
        .when((vault > assistant) & (vault > workflow))
        .then(by_vault)
        .when((workflow > assistant) & (workflow > vault))
        .then(by_workflow)
        .when((assistant == vault) & (vault == workflow))
        .then(balanced)
        .otherwise(mixed)
    )


def quality_level(average: pl.Expr) -> pl.Expr:
    """Level of an average feedback score; null without feedback."""
    high, good, medium, low = QUALITY_LEVELS
    return lower_bounds(average, ((4.5, high), (3.5, good), (2.5, medium)), low, QUALITY_LEVELS)


def months_since(created: pl.Expr, day: pl.Expr) -> pl.Expr:
    """The largest m with created + m months <= day; adding months clamps to a month's end.

    31 January + 1 month is 29 February in a leap year, so on that day one month has passed.
    """
    months = (day.dt.year() - created.dt.year()) * 12 + (
        day.dt.month().cast(pl.Int32) - created.dt.month().cast(pl.Int32)
    )
    reached_on = pl.min_horizontal(created.dt.day(), day.dt.days_in_month())
    return (months - (reached_on > day.dt.day()).cast(pl.Int32)).cast(pl.Int32)


def tenure_band(months: pl.Expr) -> pl.Expr:
    """Band of whole months since creation; null without a creation date."""
    first, second, third, fourth, last = TENURE_BANDS
    bounds = ((12, last), (6, fourth), (3, third), (1, second))
    return lower_bounds(months, bounds, first, TENURE_BANDS)
