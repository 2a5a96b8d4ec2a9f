"""Licences against use: of each the days in 90 on which its holder used the app."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Final

import polars as pl

from harvey_pipeline.segments.tables.labels import PRODUCT_APPS, UNKNOWN, WINDOW_DAYS
from harvey_pipeline.segments.tables.outcomes import (
    DELIVERED_SEAT_TIER,
    LICENSE_OPPORTUNITIES,
    SEAT_APP,
    SEAT_TIER,
)
from harvey_pipeline.segments.transforms.exact import divide_half_up
from harvey_pipeline.segments.transforms.mondays import mondays_of
from harvey_pipeline.segments.transforms.money import (
    from_whole_millionths,
    in_millionths,
    whole,
)
from harvey_pipeline.warehouse.days import blocks_of_days, is_dated

_BLOCK_MONDAYS: Final = 8
"""Mondays whose windows are read together: the more, the fewer days are read twice."""

_FEWEST_DAYS: Final = 3
"""Days of use in 90 from which on a licence is used: once a month."""

_KEY: Final = ("date", "tenant_id", "app", "tier")
_COLUMNS: Final = list(LICENSE_OPPORTUNITIES.polars_schema)
_COUNTS: Final = ("licenses", "unused", "underused", "new_licenses", "casual_holders")
_IDLE: Final = ("unused", "underused", "reclaimable_usd", "underused_usd")
_USD: Final = ("annual_cost_usd", "reclaimable_usd", "underused_usd", "casual_usd")


def find_license_opportunities(
    dim_license: pl.LazyFrame,
    dim_firms: pl.LazyFrame,
    user_daily_access: pl.LazyFrame,
    user_segments: pl.LazyFrame,
    days: Sequence[date],
) -> Iterator[pl.LazyFrame]:
    """`license_opportunities` of some days, in blocks of Mondays.

    Args:
        dim_license: `segments.dim_license`.
        dim_firms: `core.dim_firms`.
        user_daily_access: `segments.user_daily_access` of the 90 days up to each of these days.
        user_segments: `segments.user_segments` of these days: everyone with a score, with the
            tenant of the score.
        days: The days, ascending.
    """
    for block in blocks_of_days(mondays_of(days), _BLOCK_MONDAYS):
        first = block[0] - timedelta(days=WINDOW_DAYS - 1)
        accessed = user_daily_access.filter(is_dated(first, block[-1]) & (pl.col("accesses") > 0))
        users = user_segments.filter(is_dated(block[0], block[-1])).select(
            "date", "user_id", "tenant_id", is_casual=pl.col("segment") == "casual"
        )
        opportunities = pl.concat(
            [
                _count_delivered(dim_license, accessed, users, block),
                _count_seats(dim_firms, accessed, users, block),
            ]
        )
        yield _judge(opportunities, _apps_in_use(accessed, block))


def _apps_in_use(accessed: pl.LazyFrame, mondays: Sequence[date]) -> pl.LazyFrame:
    """One row per (`date`, `app`) of the Mondays whose window has an access of the app.

    The product's apps together are the app of the seats, besides.
    """
    days = accessed.select("app", "date").unique().collect(engine="streaming").lazy()
    seats = days.filter(pl.col("app").is_in(PRODUCT_APPS)).with_columns(app=pl.lit(SEAT_APP))
    of_app, of_seats = (
        _days_of_use(one, one.select("app").unique(), mondays).select(
            "date", "app", is_seat=pl.lit(is_seat)
        )
        for one, is_seat in ((days, False), (seats, True))
    )
    return pl.concat([of_app, of_seats])


def _days_of_use(
    accessed: pl.LazyFrame, keys: pl.LazyFrame, mondays: Sequence[date]
) -> pl.LazyFrame:
    """One row per Monday (`date`) and key with an access in its window: on how many days.

    The rows are read once for all Mondays, and numbers stand for the keys, of which each may be
    long: memory holds a day and a number for each day of use, and a row for each key.

    Args:
        accessed: The accesses of all windows.
        keys: One row per key, whose columns are some of those of the accesses.
        mondays: The Mondays.
    """
    numbered = keys.with_row_index("number").collect(engine="streaming").lazy()
    key = [name for name in numbered.collect_schema() if name != "number"]
    day = pl.col("date")
    windows = {str(monday): monday - timedelta(days=WINDOW_DAYS - 1) for monday in mondays}
    counts = [
        ((day >= first) & (day <= date.fromisoformat(name))).sum().cast(pl.Int64).alias(name)
        for name, first in windows.items()
    ]
    by_window = (
        accessed.join(numbered, on=key)
        .select("number", "date")
        .unique()
        .group_by("number")
        .agg(counts)
        .collect(engine="streaming")
    )
    return (
        by_window.lazy()
        .unpivot(list(windows), index="number", variable_name="date", value_name="days_used")
        .filter(pl.col("days_used") > 0)
        .join(numbered, on="number")
        .select(pl.col("date").str.to_date("%Y-%m-%d"), *key, "days_used")
    )


def _on_mondays(versions: pl.LazyFrame, mondays: Sequence[date]) -> pl.LazyFrame:
    """The versions of a dimension that are valid on a Monday (`date`)."""
    days = pl.LazyFrame({"date": mondays}, schema={"date": pl.Date})
    return versions.join(days, how="cross").filter(
        (pl.col("effective_start_date") <= pl.col("date"))
        & (pl.col("date") <= pl.col("effective_end_date"))
    )


def _count_delivered(
    dim_license: pl.LazyFrame,
    accessed: pl.LazyFrame,
    users: pl.LazyFrame,
    mondays: Sequence[date],
) -> pl.LazyFrame:
    """Delivered licences by `_KEY`: their numbers, and their costs in millionths."""
    key = ["user_id", "app"]
    licenses = dim_license.with_columns(
        began=pl.col("effective_start_date").min().over(key),
        cost=in_millionths("annual_cost_usd"),
        tier=pl.when((pl.col("app") == SEAT_APP) & (pl.col("tier") == SEAT_TIER))
        .then(pl.lit(DELIVERED_SEAT_TIER))
        .otherwise("tier"),
    )
    used = _days_of_use(accessed, dim_license.select(key).unique(), mondays)
    days_used = pl.col("days_used").fill_null(0)
    is_new = pl.col("began") > pl.col("date") - pl.duration(days=WINDOW_DAYS)
    held = (
        _on_mondays(licenses, mondays)
        .join(used, on=["date", *key], how="left")
        .join(users, on=["date", "user_id"], how="left")
        .with_columns(
            pl.col("tenant_id").fill_null(UNKNOWN),
            is_new=is_new,
            is_unused=~is_new & (days_used == 0),
            is_underused=~is_new & days_used.is_between(1, _FEWEST_DAYS - 1),
            is_casual=~is_new & pl.col("is_casual").fill_null(False),
        )
    )

    def count(which: str) -> pl.Expr:
        return pl.col(which).sum().cast(pl.Int64)

    def cost(which: str) -> pl.Expr:
        return pl.col("cost").filter(pl.col(which)).sum()

    return held.group_by(_KEY).agg(
        licenses=pl.len().cast(pl.Int64),
        unused=count("is_unused"),
        underused=count("is_underused"),
        new_licenses=count("is_new"),
        casual_holders=count("is_casual"),
        annual_cost_usd=pl.col("cost").sum(),
        reclaimable_usd=cost("is_unused"),
        underused_usd=cost("is_underused"),
        casual_usd=cost("is_casual"),
        is_seat=pl.lit(False),
    )


def _count_seats(
    dim_firms: pl.LazyFrame,
    accessed: pl.LazyFrame,
    users: pl.LazyFrame,
    mondays: Sequence[date],
) -> pl.LazyFrame:
    """The seats of firms as `_count_delivered` counts licences."""
    of_product = accessed.filter(pl.col("app").is_in(PRODUCT_APPS))
    seated = (
        _days_of_use(of_product, of_product.select("tenant_id", "user_id").unique(), mondays)
        .join(users, on=["date", "tenant_id", "user_id"], how="left")
        .group_by("date", "tenant_id")
        .agg(
            seat_users=pl.len().cast(pl.Int64),
            underused=(pl.col("days_used") < _FEWEST_DAYS).sum().cast(pl.Int64),
            casual_holders=pl.col("is_casual").sum().cast(pl.Int64),
        )
    )
    firms = _on_mondays(dim_firms, mondays).select(
        "date",
        tenant_id="firm_id",
        app=pl.lit(SEAT_APP),
        tier=pl.lit(SEAT_TIER),
        licenses=pl.col("firm_size").cast(pl.Int64),
        new_licenses=pl.lit(0, pl.Int64),
        cost=in_millionths("arr_usd"),
        is_seat=pl.lit(True),
    )
    counted = firms.join(seated, on=["date", "tenant_id"], how="left").with_columns(
        pl.col("seat_users", "underused", "casual_holders").fill_null(0)
    )

    def cost(seats: str) -> pl.Expr:
        return divide_half_up(whole(pl.col(seats)) * pl.col("cost"), whole(pl.col("licenses")))

    return (
        counted.with_columns(unused=(pl.col("licenses") - pl.col("seat_users")).clip(lower_bound=0))
        .with_columns(
            annual_cost_usd=cost("licenses"),
            reclaimable_usd=cost("unused"),
            underused_usd=cost("underused"),
            casual_usd=cost("casual_holders"),
        )
        .select(*_KEY, *_COUNTS, *_USD, "is_seat")
    )


def _judge(opportunities: pl.LazyFrame, in_use: pl.LazyFrame) -> pl.LazyFrame:
    """The table: what is idle is told where the app is measured."""
    measured = opportunities.join(
        in_use.with_columns(is_measured=pl.lit(True)), on=["date", "app", "is_seat"], how="left"
    ).with_columns(pl.col("is_measured").fill_null(False))
    return (
        measured.with_columns(from_whole_millionths(pl.col(name)).alias(name) for name in _USD)
        .with_columns(pl.when("is_measured").then(name).alias(name) for name in _IDLE)
        .select(_COLUMNS)
    )
