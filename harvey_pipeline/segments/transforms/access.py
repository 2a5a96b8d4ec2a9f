"""From queries of the product and sign-ins to each day's use of apps."""

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import pairwise
from typing import Final

import polars as pl

from harvey_pipeline.landing.source import EVENT_DATE
from harvey_pipeline.landing.sums import EventSums, SumsOfDays
from harvey_pipeline.segments.sources import SSO_EVENTS, SUCCESS
from harvey_pipeline.segments.tables.access import MOST_VALUES, USER_DAILY_ACCESS
from harvey_pipeline.segments.tables.labels import PRODUCT_APPS, SIGN_IN
from harvey_pipeline.warehouse.days import DayRange, blocks_of_days, is_dated

_BLOCK_DAYS: Final = 3
"""Days whose events are summed at a time, so that memory does not grow with the days."""

_LEAST_SECONDS: Final = 120
"""What an access counts at least."""

_LONGEST_GAP_SECONDS: Final = 900
"""What the time between two accesses counts at most."""

_SSO_KEY: Final = ("date", "tenant_id", "user_id", "app")

_COLUMNS: Final = list(USER_DAILY_ACCESS.polars_schema)


def sum_access(
    activity: pl.LazyFrame, sso: SumsOfDays, days: Sequence[date]
) -> Iterator[pl.LazyFrame]:
    """`segments.user_daily_access` of some days, in blocks.

    Args:
        activity: `core.user_daily_activity` of these days.
        sso: `SSO_SUMS` of these days.
        days: Consecutive days, ascending.
    """
    for block in blocks_of_days(days, _BLOCK_DAYS):
        first, last = block[0], block[-1]
        product = _sum_product(activity.filter(is_dated(first, last)))
        # The two have no app in common.
        yield pl.concat([product, _tell_sso(sso.of(DayRange(first, last)))]).sort("date")


def active_seconds(accesses: pl.Expr, first_at: pl.Expr, last_at: pl.Expr) -> pl.Expr:
    """Seconds of use of accesses of which nothing but the number and two moments are known.

    max(120 n, min(s, 900 (n - 1))) of n accesses with s whole seconds from the first to the last:
    two minutes for each, or the gaps, up to a quarter of an hour each. 0 without accesses.
    """
    span = (last_at - first_at).dt.total_seconds().fill_null(0)
    gaps = pl.min_horizontal(span, _LONGEST_GAP_SECONDS * (accesses - 1))
    return pl.max_horizontal(_LEAST_SECONDS * accesses, gaps)


def _sum_product(activity: pl.LazyFrame) -> pl.LazyFrame:
    """One row per app of the product with queries, its share of the seconds among them.

    With q queries in all, k of the apps up to and including this one and j of those before it, an
    app gets floor(S k / q) - floor(S j / q) of S seconds, so that the shares add up to S.
    """
    seconds = active_seconds(
        pl.col("queries"), pl.col("first_event_at"), pl.col("last_event_at")
    ).alias("seconds")
    queries = [pl.col(f"{app}_queries") for app in PRODUCT_APPS]
    through = [pl.sum_horizontal(queries[: place + 1]) for place in range(len(queries))]
    up_to = [pl.col("seconds") * count // pl.col("queries") for count in through]
    shares = [up_to[0], *(after - before for before, after in pairwise(up_to))]
    nothing = pl.lit([], dtype=pl.List(pl.String))
    return (
        activity.with_columns(seconds)
        .select(
            "date",
            "user_id",
            tenant_id="firm_id",
            app=pl.lit(list(PRODUCT_APPS), dtype=pl.List(pl.String)),
            accesses=pl.concat_list(queries),
            active_seconds=pl.concat_list(shares),
        )
        .explode("app", "accesses", "active_seconds")
        .filter(pl.col("accesses") > 0)
        .select(
            "date",
            "tenant_id",
            "user_id",
            "app",
            "accesses",
            "active_seconds",
            auth_successes=pl.lit(0, dtype=pl.Int64),
            auth_failures=pl.lit(0, dtype=pl.Int64),
            devices=nothing,
            locations=nothing,
        )
    )


def _sum_sso(events: pl.LazyFrame) -> pl.LazyFrame:
    """One row per (`date`, `tenant_id`, `user_id`, `app`) of events that each count once."""
    target = pl.col("target_id").fill_null(SIGN_IN)
    app = pl.when(target.is_in(PRODUCT_APPS)).then(pl.lit(SIGN_IN)).otherwise(target)
    is_access = pl.col("is_success") & (pl.col("app") != SIGN_IN)
    is_untimed = is_access & pl.col("session_minutes").is_null()
    return (
        events.select(
            "tenant_id",
            "session_minutes",
            "published",
            "device",
            "location",
            date=EVENT_DATE,
            user_id="actor_id",
            is_success=pl.col("outcome") == SUCCESS,
            app=app,
        )
        .with_columns(
            is_access=is_access,
            timed_minutes=pl.when(is_access).then(pl.col("session_minutes").cast(pl.Int64)),
            untimed_at=pl.when(is_untimed).then("published"),
        )
        .group_by(_SSO_KEY)
        .agg(
            accesses=pl.col("is_access").sum().cast(pl.Int64),
            timed_minutes=pl.col("timed_minutes").sum(),
            untimed=pl.col("untimed_at").count().cast(pl.Int64),
            first_at=pl.col("untimed_at").min(),
            last_at=pl.col("untimed_at").max(),
            auth_successes=pl.col("is_success").sum().cast(pl.Int64),
            auth_failures=(~pl.col("is_success")).sum().cast(pl.Int64),
            devices=pl.col("device"),
            locations=pl.col("location"),
        )
        .with_columns(_distinct("devices"), _distinct("locations"))
    )


def _merge_sso(sums: pl.LazyFrame) -> pl.LazyFrame:
    counts = ("accesses", "timed_minutes", "untimed", "auth_successes", "auth_failures")
    return (
        sums.group_by(_SSO_KEY)
        .agg(
            pl.col(counts).sum(),
            pl.col("first_at").min(),
            pl.col("last_at").max(),
            pl.col("devices", "locations").explode(),
        )
        .with_columns(_distinct("devices"), _distinct("locations"))
        .select(sums.collect_schema().names())
    )


SSO_SUMS: Final = EventSums(USER_DAILY_ACCESS.name, SSO_EVENTS, _sum_sso, _merge_sso)
"""One row per (`date`, `tenant_id`, `user_id`, `app`); of accesses without a length the moments.

The first few of all values, in the order of text, are among the first few of each part.
"""


def _tell_sso(sums: pl.LazyFrame) -> pl.LazyFrame:
    """Rows of the table of `SSO_SUMS`."""
    untimed = active_seconds(pl.col("untimed"), pl.col("first_at"), pl.col("last_at"))
    return sums.with_columns(active_seconds=60 * pl.col("timed_minutes") + untimed).select(_COLUMNS)


def _distinct(column: str) -> pl.Expr:
    """The first of the distinct values of a list, in the order of text."""
    values = pl.col(column).list.drop_nulls().list.unique()
    return values.list.sort().list.head(MOST_VALUES)
