"""From the segment that a Monday alone says to the one that is published.

A raw segment is settled over twelve Mondays, so that a change takes three of them. Where too many
users of a tenant change at once, the published segments stay those of the week before for four
weeks; then the change, if it lasted, is let through.
"""

from collections.abc import Collection, Sequence
from datetime import date, timedelta
from typing import Final

import polars as pl

from harvey_pipeline.segments.tables.labels import SEGMENTS, SMALL_TENANT, WINDOW_DAYS

SEGMENT: Final = pl.Enum(SEGMENTS)
"""Type of a segment; a lower one is less than a higher one."""

CASUAL, REGULAR, POWER = (pl.lit(segment, dtype=SEGMENT) for segment in SEGMENTS)

WEEK: Final = timedelta(days=7)
SETTLING_DAYS: Final = 77
"""How far back the first of the Mondays lies over which a segment is settled."""
HELD_DAYS: Final = 21
"""For how long after its Monday a mass change is held back."""

POWER_ABOVE: Final = 650_000
CASUAL_BELOW: Final = 250_000
"""Bounds of adjusted scores, in millionths."""
_POWER_ABOVE_PERCENTILE: Final = 75
_CASUAL_BELOW_PERCENTILE: Final = 25

FEWEST_USERS: Final = 20
"""Users on both Mondays from which on a change can be one of the mass."""
MASS_PERCENT: Final = 30


def raw_segment() -> pl.Expr:
    """The segment that a Monday alone says.

    By `has_access`, `adjusted_score` (millionths), `percentile`, `tenant_active_users`.
    """
    # The quotient that a percentile is may lie some last bits beside its bound.
    percentile = pl.col("percentile").round(6)
    is_small = pl.col("tenant_active_users") < SMALL_TENANT
    is_power = (pl.col("adjusted_score") > POWER_ABOVE) & (
        is_small | (percentile > _POWER_ABOVE_PERCENTILE)
    )
    is_casual = (pl.col("adjusted_score") < CASUAL_BELOW) & (
        is_small | (percentile < _CASUAL_BELOW_PERCENTILE)
    )
    return (
        pl.when(~pl.col("has_access") | is_casual)
        .then(CASUAL)
        .when(is_power)
        .then(POWER)
        .otherwise(REGULAR)
    )


def settle(raw: pl.LazyFrame) -> pl.LazyFrame:
    """Raw segments, one row per user and Monday, with the `settled` one of each.

    That of the latest Monday which repeats the two before it, all within `SETTLING_DAYS`; without
    such, the most frequent one of these Mondays, of equals the one seen latest.

    Args:
        raw: `date`, `user_id`, `raw` and whatever else; the settled segments of its Mondays are
            right from `SETTLING_DAYS` after the first on.
    """
    segment, day = pl.col("raw"), pl.col("date")
    # Of two rows 14 days apart with one between, that one is of the Monday between.
    is_third = (
        (segment == segment.shift(1))
        & (segment == segment.shift(2))
        & (day - day.shift(2) == timedelta(days=14))
    )
    third_day, third_segment = (
        pl.when(is_third).then(one).forward_fill() for one in (day, segment)
    )
    is_within = third_day - timedelta(days=14) >= day - timedelta(days=SETTLING_DAYS)
    weights = {one: _weight_of(one) for one in SEGMENTS}
    return (
        raw.with_columns(
            _by_user(pl.when(is_within).then(third_segment)).alias("_third"),
            *(_by_user(weight).alias(f"_{one}") for one, weight in weights.items()),
        )
        .with_columns(_most=pl.max_horizontal(f"_{one}" for one in SEGMENTS))
        .with_columns(
            settled=pl.coalesce(
                "_third",
                *(
                    pl.when(pl.col(f"_{one}") == pl.col("_most")).then(pl.lit(one, dtype=SEGMENT))
                    for one in SEGMENTS
                ),
            )
        )
        .drop("_third", "_most", *(f"_{one}" for one in SEGMENTS))
    )


def _weight_of(segment: str) -> pl.Expr:
    """How often a raw segment is seen within the Mondays that settle, then how late."""
    is_seen = pl.col("raw") == pl.lit(segment, dtype=SEGMENT)
    times = is_seen.cast(pl.Int64).rolling_sum_by("date", f"{SETTLING_DAYS + 1}d")
    latest = pl.when(is_seen).then(pl.col("date")).forward_fill()
    days = latest.cast(pl.Int32).cast(pl.Int64)
    # Days from 1970 on have at most six digits.
    return times * 1_000_000 + days.fill_null(0)


def _by_user(of_weeks: pl.Expr) -> pl.Expr:
    return of_weeks.over("user_id", order_by="date")


def find_mass_changes(
    settled: pl.LazyFrame, first_day: date, accepted: Collection[date]
) -> pl.LazyFrame:
    """The Mondays on which too many users of a tenant have another settled segment.

    Args:
        settled: `date`, `user_id`, `tenant_id`, `settled`.
        first_day: First day of the calendar; until there are whole windows a week before, scores
            move by themselves, and no change is one of the mass.
        accepted: Mondays whose changes are let through.

    Returns:
        One row per `date` and `tenant_id` with `users`, those with rows on this Monday and the one
        before, and `changed_users`.
    """
    before = settled.select("user_id", pl.col("date") + WEEK, settled_before="settled")
    first = first_day + WEEK + timedelta(days=WINDOW_DAYS - 1)
    return (
        settled.filter(pl.col("date") >= first, ~pl.col("date").is_in([*accepted]))
        .join(before, on=["date", "user_id"])
        .group_by("date", "tenant_id")
        .agg(
            users=pl.len().cast(pl.Int64),
            changed_users=(pl.col("settled") != pl.col("settled_before")).sum().cast(pl.Int64),
        )
        .filter(
            pl.col("users") >= FEWEST_USERS,
            100 * pl.col("changed_users") > MASS_PERCENT * pl.col("users"),
        )
    )


def find_held(changes: pl.LazyFrame) -> pl.LazyFrame:
    """The Mondays on which a tenant is held back, each with `held_since`.

    That is the earliest mass change of that Monday and the three before it. One row per `date` and
    `tenant_id`.
    """
    day = pl.col("date")
    return (
        changes.select(
            "tenant_id",
            held_since=day,
            date=pl.date_ranges(day, day + timedelta(days=HELD_DAYS), "7d"),
        )
        .explode("date")
        .group_by("date", "tenant_id")
        .agg(pl.col("held_since").min())
    )


def publish(settled: pl.LazyFrame, changes: pl.LazyFrame, mondays: Sequence[date]) -> pl.LazyFrame:
    """The published segments of some Mondays.

    Args:
        settled: `date`, `user_id`, `tenant_id`, `settled`, `has_access` of the Mondays, and of
            those up to `HELD_DAYS` and a week before.
        changes: The mass changes of the Mondays, and of those up to `HELD_DAYS` before.
        mondays: The Mondays wanted.

    Returns:
        One row per `date` and `user_id` with `segment` and `is_held_back`.
    """
    kept = settled.select("user_id", held_since=pl.col("date") + WEEK, kept="settled")
    segment = pl.coalesce("kept", "settled")
    return (
        settled.filter(pl.col("date").is_in(mondays))
        .join(find_held(changes), on=["date", "tenant_id"], how="left")
        .join(kept, on=["user_id", "held_since"], how="left")
        .select(
            "date",
            "user_id",
            segment=pl.when(~pl.col("has_access"), segment == POWER)
            .then(CASUAL)
            .otherwise(segment),
            is_held_back=pl.col("held_since").is_not_null(),
        )
    )
