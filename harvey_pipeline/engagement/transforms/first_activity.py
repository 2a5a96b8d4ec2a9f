"""The first day on which each user, and each firm, was ever active.

Kept as a table, so that nobody has to look through all of history for it. It does not depend on
the order in which days are taken in: taking in days anew replaces what they said, and only whoever
was first active on one of them, and no longer is, is looked for on later days.
"""

from datetime import date
from typing import Final

import polars as pl

from harvey_pipeline.engagement.tables import TABLES
from harvey_pipeline.engagement.tables.labels import GRAINS
from harvey_pipeline.warehouse.days import DayRange, consecutive_days, is_dated

ENTITY_KEYS: Final = dict(zip(GRAINS, ("user_id", "firm_id"), strict=True))
"""The column of `core.user_daily_activity` that names whom a grain counts."""

_ENTITY: Final = ["grain", "entity_id"]
_GRAIN_TYPE: Final = TABLES["core.first_activity"].polars_schema["grain"]


def take_in_activity(
    known: pl.DataFrame, activity: pl.LazyFrame, later: pl.LazyFrame, first: date, last: date
) -> pl.LazyFrame:
    """`core.first_activity` once the days from first to last are taken in.

    Args:
        known: The table before.
        activity: `core.user_daily_activity`, at least for those days.
        later: `core.user_daily_activity` of the days after `last` that were taken in before.
        first: First day.
        last: Last day.
    """
    is_replaced = is_dated(first, last, "first_activity_date")
    found = _first_days(activity.filter(is_dated(first, last)))
    lost = known.filter(is_replaced).join(found, on=_ENTITY, how="anti")
    parts = [known.filter(~is_replaced), found]
    if not lost.is_empty():
        is_sought = pl.any_horizontal(
            pl.col(key).is_in(lost.filter(pl.col("grain") == grain)["entity_id"].implode())
            for grain, key in ENTITY_KEYS.items()
        )
        parts.append(_first_days(later.filter(is_sought)).join(lost, on=_ENTITY, how="semi"))
    return pl.concat(parts).lazy().group_by(_ENTITY).agg(pl.col("first_activity_date").min())


def days_between_first_days(before: pl.DataFrame, after: pl.DataFrame) -> list[DayRange]:
    """The days that are somebody's first in one table and not in the other."""
    rows = [*_ENTITY, "first_activity_date"]
    others = [
        one.join(other, on=rows, how="anti").select("first_activity_date")
        for one, other in ((before, after), (after, before))
    ]
    return consecutive_days(pl.concat(others).unique().to_series())


def _first_days(activity: pl.LazyFrame) -> pl.DataFrame:
    """One row per `grain` and `entity_id` of this activity."""
    pairs = (
        activity.group_by(ENTITY_KEYS.values())
        .agg(first_activity_date=pl.col("date").min())
        .collect(engine="streaming")
    )
    return pl.concat(
        pairs.group_by(entity_id=key)
        .agg(pl.col("first_activity_date").min())
        .select(pl.lit(grain).cast(_GRAIN_TYPE).alias("grain"), pl.all())
        for grain, key in ENTITY_KEYS.items()
    )
