"""The dashboard: users, segments, churn, changes and return of each tenant, and of all."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Final

import polars as pl

from harvey_pipeline.segments.tables.labels import ALL, CHURN_RISKS, SEGMENTS
from harvey_pipeline.segments.tables.outcomes import SEGMENTATION_DASHBOARD
from harvey_pipeline.segments.transforms.exact import MILLION
from harvey_pipeline.segments.transforms.mondays import mondays_of
from harvey_pipeline.segments.transforms.money import from_whole_millionths, in_millionths
from harvey_pipeline.warehouse.days import blocks_of_days, is_dated

MONTH_BACK: Final = 28
YEAR_BACK: Final = 364
"""Days back to the Monday that a figure is compared with."""

_BLOCK_MONDAYS: Final = 8
_BILLION: Final = 1_000_000_000

_KEY: Final = ("date", "tenant_id")
_COLUMNS: Final = list(SEGMENTATION_DASHBOARD.polars_schema)
_SEGMENT: Final = pl.Enum(SEGMENTS)
_AMOUNTS: Final = ("reclaimable_usd_year", "total_usd_year", "net_usd_year")
_USED: Final = (
    *("tenant_id", "segment", "sub_segment", "percentile", "churn_risk", "is_churn_suppressed"),
    *("previous_segment", "is_changed", "is_dormant", "confidence", "needs_review", "is_held_back"),
)


def days_compared(day: date, *back: int) -> list[date]:
    """A Monday, and those so many days before it that its rows rest on; none of another day."""
    return [day - timedelta(days=days) for days in (0, *back)] if mondays_of([day]) else []


def show_segmentation(
    user_segments: pl.LazyFrame,
    tenant_engagement: pl.LazyFrame,
    roi_summary: pl.LazyFrame,
    days: Sequence[date],
) -> Iterator[pl.LazyFrame]:
    """`segmentation_dashboard` of some days, in blocks of Mondays.

    Args:
        user_segments: `segments.user_segments` of these days and the 28 days before.
        tenant_engagement: `segments.tenant_engagement` of these days and the 364 days before.
        roi_summary: `segments.roi_summary` of these days.
        days: The days, ascending.
    """
    for block in blocks_of_days(mondays_of(days), _BLOCK_MONDAYS):
        wanted = {day for monday in block for day in days_compared(monday, MONTH_BACK, YEAR_BACK)}
        users = _rows_of(user_segments, block, MONTH_BACK, wanted).select("date", "user_id", *_USED)
        counts = _with_all(_count(users), {"is_held_back": pl.col("is_held_back").any()})
        engagement = _rows_of(tenant_engagement, block, YEAR_BACK, wanted)
        shown = _shares(counts).collect(engine="streaming").lazy()
        means = _means(engagement).collect(engine="streaming").lazy()
        amounts = roi_summary.filter(is_dated(block[0], block[-1])).select(
            *_KEY, *(in_millionths(name).alias(name) for name in _AMOUNTS)
        )
        dashboard = shown.filter(is_dated(block[0], block[-1]) & pl.col("date").is_in(list(block)))
        for other in (_back(shown, "casual_percent"), _with_changes(means), _with_all(amounts)):
            dashboard = dashboard.join(other, on=_KEY, how="left")
        yield _finish(dashboard)


def _rows_of(
    table: pl.LazyFrame, block: Sequence[date], back: int, wanted: set[date]
) -> pl.LazyFrame:
    """The rows of the days that are wanted, of a block of Mondays and so many days before."""
    dated = is_dated(block[0] - timedelta(days=back), block[-1])
    return table.filter(dated & pl.col("date").is_in(sorted(wanted)))


def _later(days: int) -> pl.Expr:
    return pl.col("date") + pl.duration(days=days)


def _count(users: pl.LazyFrame) -> pl.LazyFrame:
    """One row per `_KEY`: whole numbers that add up over tenants."""
    segment = pl.col("segment").cast(_SEGMENT)
    before = pl.col("segment_before")
    earlier = users.select("user_id", date=_later(MONTH_BACK), segment_before=segment)

    def count(condition: pl.Expr | str) -> pl.Expr:
        found = pl.col(condition) if isinstance(condition, str) else condition
        return found.sum().cast(pl.Int64)

    return (
        users.join(earlier, on=["date", "user_id"], how="left")
        .group_by(_KEY)
        .agg(
            users=pl.len().cast(pl.Int64),
            active_users=pl.col("percentile").count().cast(pl.Int64),
            **{f"{one}_users": count(segment == one) for one in SEGMENTS},
            dormant_users=count("is_dormant"),
            sign_in_only_users=count(pl.col("sub_segment") == "Sign-in Only"),
            new_users=count(pl.col("sub_segment") == "New"),
            **{f"churn_{one}": count(pl.col("churn_risk") == one) for one in CHURN_RISKS},
            churn_suppressed=count("is_churn_suppressed"),
            changed_users=count("is_changed"),
            comparable_users=pl.col("previous_segment").count().cast(pl.Int64),
            power_to_casual_28d=count((before == "power") & (segment == "casual")),
            moved_up_28d=count(segment > before),
            moved_down_28d=count(segment < before),
            needs_review_users=count("needs_review"),
            confidence_billionths=(pl.col("confidence") * _BILLION).round().cast(pl.Int64).sum(),
            is_held_back=pl.col("is_held_back").any(),
        )
    )


def _with_all(by_tenant: pl.LazyFrame, others: Mapping[str, pl.Expr] | None = None) -> pl.LazyFrame:
    """Rows by tenant, and one of all of them, in which whole numbers are added up.

    `others` are the columns that are put together otherwise. Of a tenant with the name of all only
    its share in theirs is left.
    """
    special = others or {}
    names = by_tenant.collect_schema().names()
    sums = {name: pl.col(name).sum() for name in names if name not in (*_KEY, *special)}
    everyone = by_tenant.group_by("date").agg(**sums, **special).with_columns(tenant_id=pl.lit(ALL))
    own = by_tenant.filter(pl.col("tenant_id") != ALL)
    return pl.concat([own, everyone.select(names)])


def _shares(counts: pl.LazyFrame) -> pl.LazyFrame:
    """The counts with percentages and mean confidence."""

    def percent(part: str, base: str = "users") -> pl.Expr:
        return pl.when(pl.col(base) > 0).then(100 * pl.col(part) / pl.col(base))

    return counts.with_columns(
        **{f"{one}_percent": percent(f"{one}_users") for one in SEGMENTS},
        changed_percent=percent("changed_users", "comparable_users"),
        mean_confidence=pl.col("confidence_billionths") / (_BILLION * pl.col("users")),
    )


def _means(engagement: pl.LazyFrame) -> pl.LazyFrame:
    """One row per `_KEY`: the mean score of active users, and that of all tenants together.

    Scores are whole millionths, so a tenant's sum of them is the whole number next to mean x users.
    """
    own = engagement.select(*_KEY, "active_users", "mean_score").filter(
        pl.col("mean_score").is_not_null()
    )
    scores = (pl.col("mean_score") * pl.col("active_users") * MILLION).round().cast(pl.Int64)
    everyone = (
        own.group_by("date")
        .agg(scores.sum().alias("scores"), pl.col("active_users").sum())
        .select(
            "date",
            tenant_id=pl.lit(ALL),
            mean_score=pl.col("scores") / (MILLION * pl.col("active_users")),
        )
    )
    of_tenants = own.filter(pl.col("tenant_id") != ALL).select(*_KEY, "mean_score")
    return pl.concat([of_tenants, everyone])


def _with_changes(means: pl.LazyFrame) -> pl.LazyFrame:
    """Means with their change in 28 and in 364 days."""
    found = means
    for days in (MONTH_BACK, YEAR_BACK):
        base = pl.col("base")
        changed = 100 * (pl.col("mean_score") - base) / base
        found = (
            found.join(
                means.select("tenant_id", date=_later(days), base="mean_score"), on=_KEY, how="left"
            )
            .with_columns(
                pl.when(base > 0).then(changed).alias(f"mean_score_change_{days}d_percent")
            )
            .drop("base")
        )
    return found


def _back(shown: pl.LazyFrame, column: str) -> pl.LazyFrame:
    """A column as it was 28 days before, as `before`."""
    return shown.select("tenant_id", date=_later(MONTH_BACK), before=column)


def _finish(dashboard: pl.LazyFrame) -> pl.LazyFrame:
    return dashboard.with_columns(
        casual_percent_change_28d=pl.col("casual_percent") - pl.col("before"),
        **{name: from_whole_millionths(pl.col(name).fill_null(0)) for name in _AMOUNTS},
    ).select(_COLUMNS)
