"""Adoption over time: who is active, where they came from, and on how many days.

Users and firms are followed by the dates of the last 56 days on which they were active, one bit a
day: two windows of 28 days, of which the later one ends on the day. They are counted by attribute
first, as it was on that day; what holds for all of them is the sum of the parts of one attribute.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

import polars as pl

from harvey_pipeline.engagement.dimensions import FIRMS, USERS
from harvey_pipeline.engagement.tables import TABLES
from harvey_pipeline.engagement.tables.labels import (
    GRAINS,
    GROWTH_DAYS,
    SEGMENTS,
    WEEK_DAYS,
    WINDOW_DAYS,
)
from harvey_pipeline.engagement.transforms.firms import arr_tier, firm_size_category
from harvey_pipeline.engagement.transforms.first_activity import ENTITY_KEYS
from harvey_pipeline.engagement.transforms.scoring import percent, ratio
from harvey_pipeline.engagement.transforms.windows import dated, trailing_dates
from harvey_pipeline.history import Dimension, attributes_as_of
from harvey_pipeline.warehouse.table import Table

_USER, _FIRM = GRAINS
_USER_ROLE, _FIRM_SIZE_CATEGORY, _ARR_TIER = SEGMENTS

_DIMENSIONS: Final[Mapping[str, Dimension]] = {_USER: USERS, _FIRM: FIRMS}

_SEGMENT_VALUES: Final[Mapping[str, Mapping[str, pl.Expr]]] = {
    _USER: {_USER_ROLE: pl.col("user_role")},
    _FIRM: {
        _FIRM_SIZE_CATEGORY: firm_size_category(pl.col("firm_size")),
        _ARR_TIER: arr_tier(pl.col("arr_usd")),
    },
}
"""By which attributes a grain is split."""

_SUMMED_UP: Final = (_USER_ROLE, _FIRM_SIZE_CATEGORY)
"""The attribute of each grain whose parts make up the whole."""

_COUNTS: Final = (
    "dau",
    "wau",
    "mau",
    "active",
    "previous_active",
    "new",
    "retained",
    "resurrected",
    "churned",
)

_BLOCK_ROWS: Final = 30_000
"""Users and firms that are counted together."""

_BLOCK_DAYS: Final = 28
"""Days whose few rows are handed on together."""


def count_segments(
    activity: pl.LazyFrame,
    first_activity: pl.LazyFrame,
    dimensions: Mapping[str, pl.LazyFrame],
    days: Sequence[date],
) -> Iterator[pl.LazyFrame]:
    """`marts.usage_by_segment` of consecutive days, in blocks of days.

    Args:
        activity: `core.user_daily_activity` of the 56 days that end on each of the days.
        first_activity: `core.first_activity`.
        dimensions: `core.dim_user` and `core.dim_firms`, by grain.
        days: Consecutive days, ascending.
    """
    first_days = first_activity.collect()
    followed = {
        grain: _Followed(
            grain,
            dimensions[grain].collect(),
            first_days.filter(pl.col("grain") == grain).select(
                pl.col("entity_id").alias(key), "first_activity_date"
            ),
        )
        for grain, key in ENTITY_KEYS.items()
    }
    held = 0
    for day, active in trailing_dates(activity, days, list(ENTITY_KEYS.values()), 2 * GROWTH_DAYS):
        for grain, key in ENTITY_KEYS.items():
            held += followed[grain].hold(active[key], day)
        if _ends_block(day, days) or held >= _BLOCK_ROWS:
            counted = [frame for grain in followed.values() for frame in grain.count()]
            rows = pl.concat(counted).lazy().sort("date", maintain_order=True)
            yield _with_rates(rows, TABLES["marts.usage_by_segment"])
            held = 0


def _ends_block(day: date, days: Sequence[date]) -> bool:
    """Whether what was counted is handed on after this day."""
    return day == days[-1] or (day - days[0]).days % _BLOCK_DAYS == _BLOCK_DAYS - 1


@dataclass
class _Followed:
    """Users, or firms, with what is known of them as of the day that was held last."""

    grain: str
    versions: pl.DataFrame
    first_days: pl.DataFrame
    labels: pl.DataFrame | None = None
    """First activity and segments, row by row those of the entities held last."""
    held: list[pl.DataFrame] = field(default_factory=list)

    def hold(self, entities: pl.DataFrame, day: date) -> int:
        """Keep those active in the 56 days that end on a day, to be counted; how many they are."""
        has_news = (self.versions["effective_start_date"] == day).any()
        if self.labels is None or has_news or self.labels.height < entities.height:
            self.labels = self._label(entities, day)
        active = entities.hstack(self.labels).filter(pl.col("active_dates") != 0)
        self.held.append(dated(day, active))
        return active.height

    def count(self) -> list[pl.DataFrame]:
        """One frame per segment of the grain: a row per day and value that those held have."""
        flagged = (
            pl.concat(self.held)
            .lazy()
            .select("date", *_SEGMENT_VALUES[self.grain], **_FLAGS)
            .collect(engine="streaming")
        )
        self.held = []
        return [
            flagged.group_by("date", segment_value=segment)
            .agg(pl.col(_COUNTS).sum().cast(pl.Int64))
            .sort("date", "segment_value", nulls_last=True)
            .select(
                "date",
                pl.lit(self.grain).alias("grain"),
                pl.lit(segment).alias("segment"),
                pl.col("segment_value").cast(pl.String),
                *_COUNTS,
            )
            for segment in _SEGMENT_VALUES[self.grain]
        ]

    def _label(self, entities: pl.DataFrame, day: date) -> pl.DataFrame:
        key = ENTITY_KEYS[self.grain]
        attributes = attributes_as_of(_DIMENSIONS[self.grain], self.versions, day)
        values = attributes.select(key, **_SEGMENT_VALUES[self.grain])
        return (
            entities.select(key)
            .join(self.first_days, on=key, how="left", maintain_order="left")
            .join(values, on=key, how="left", maintain_order="left")
            .drop(key)
        )


def _active_within(length: int, days_before: int = 0) -> pl.Expr:
    """Whether any of `length` days, of which the last is so many days before the day, is active."""
    return (pl.col("active_dates") & _bits(length, days_before)) != 0


def _bits(length: int, days_before: int = 0) -> pl.Expr:
    return pl.lit((2**length - 1) * 2**days_before, dtype=pl.Int64)


def _flags() -> dict[str, pl.Expr]:
    """What is counted, as true or false for one user, or firm, on a `date`."""
    is_active, was_active = _active_within(GROWTH_DAYS), _active_within(GROWTH_DAYS, GROWTH_DAYS)
    first_of_window = pl.col("date") - timedelta(days=GROWTH_DAYS - 1)
    has_begun = (pl.col("first_activity_date") >= first_of_window).fill_null(value=False)
    comes_in = is_active & ~was_active
    return {
        "dau": _active_within(1),
        "wau": _active_within(WEEK_DAYS),
        "mau": _active_within(WINDOW_DAYS),
        "active": is_active,
        "previous_active": was_active,
        "new": comes_in & has_begun,
        "retained": is_active & was_active,
        "resurrected": comes_in & ~has_begun,
        "churned": was_active & ~is_active,
    }


_FLAGS: Final = _flags()


def account_for_growth(
    usage: pl.LazyFrame, days: Sequence[date], first_covered: date | None
) -> pl.LazyFrame:
    """`marts.growth_accounting` of some days: the parts of `marts.usage_by_segment` summed up.

    Args:
        usage: `marts.usage_by_segment` of the days.
        days: Days, ascending.
        first_covered: First covered day of events; None where none is covered.
    """
    table = TABLES["marts.growth_accounting"]
    first_read = pl.col("date") - timedelta(days=2 * GROWTH_DAYS - 1)
    return (
        _sum_parts(usage, days, table)
        .with_columns(is_history_short=first_read < (first_covered or date.max))
        .select(list(table.polars_schema))
    )


def count_active(usage: pl.LazyFrame, days: Sequence[date]) -> pl.LazyFrame:
    """`marts.active_usage` of some days: the parts of `marts.usage_by_segment` summed up."""
    return _sum_parts(usage, days, TABLES["marts.active_usage"])


def _sum_parts(usage: pl.LazyFrame, days: Sequence[date], table: Table) -> pl.LazyFrame:
    """A row per day and grain; zeros where nobody was active."""
    types = table.polars_schema
    rows = pl.LazyFrame(
        [(day, grain) for day in days for grain in GRAINS],
        schema={"date": types["date"], "grain": types["grain"]},
        orient="row",
    )
    counts = [name for name in _COUNTS if name in types]
    is_part = pl.col("segment").cast(pl.String).is_in(_SUMMED_UP)
    sums = usage.filter(is_part).group_by("date", "grain").agg(pl.col(counts).sum())
    whole = rows.join(sums, on=["date", "grain"], how="left", maintain_order="left")
    return _with_rates(whole.with_columns(pl.col(counts).fill_null(0)), table)


def _with_rates(counted: pl.LazyFrame, table: Table) -> pl.LazyFrame:
    """The table's columns that are counted, or follow from counts."""
    types = table.polars_schema
    active, before = pl.col("active"), pl.col("previous_active")
    rates = {
        "stickiness": percent(pl.col("dau"), pl.col("mau")),
        "quick_ratio": ratio(pl.col("new") + pl.col("resurrected"), pl.col("churned")),
        "growth_rate": percent(active - before, before),
    }
    wanted = {name: rate for name, rate in rates.items() if name in types}
    made = counted.with_columns(**wanted)
    names = made.collect_schema().names()
    return made.select(pl.col(name).cast(types[name]) for name in types if name in names)


def count_active_days(activity: pl.LazyFrame, days: Sequence[date]) -> Iterator[pl.LazyFrame]:
    """`marts.power_curve` of consecutive days, in blocks of days.

    Args:
        activity: `core.user_daily_activity` of the 28 days that end on each of the days.
        days: Consecutive days, ascending.
    """
    key = ENTITY_KEYS[_USER]
    table = TABLES["marts.power_curve"]
    points: list[tuple[date, int, int, int, float | None]] = []
    for day, active in trailing_dates(activity, days, [key], GROWTH_DAYS):
        for length in (WEEK_DAYS, GROWTH_DAYS):
            points += _draw_curve(active[key]["active_dates"], day, length)
        if _ends_block(day, days):
            yield pl.LazyFrame(points, schema=table.polars_schema, orient="row")
            points = []


def _draw_curve(
    active_dates: pl.Series, day: date, length: int
) -> Iterator[tuple[date, int, int, int, float | None]]:
    """Every point of a day's curve, as a row of `marts.power_curve`."""
    active_days = pl.select((active_dates & _bits(length)).bitwise_count_ones()).to_series()
    found = dict(active_days.value_counts().iter_rows())
    users = [found.get(number, 0) for number in range(1, length + 1)]
    everyone = sum(users)
    for number, count in enumerate(users, start=1):
        yield day, length, number, count, count * 100 / everyone if everyone else None
