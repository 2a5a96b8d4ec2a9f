"""Engagement scores: how often, how broadly, how recently, how steadily and how deeply.

Everything is computed in whole numbers: components in ten-thousandths, scores in millionths.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import Final

import polars as pl

from harvey_pipeline.segments.tables.labels import (
    MONTH_DAYS,
    PRODUCT_APPS,
    TRENDS,
    UNKNOWN,
    WINDOW_DAYS,
)
from harvey_pipeline.segments.tables.scores import ENGAGEMENT_SCORES, SCORES
from harvey_pipeline.segments.transforms.access_windows import (
    THIRDS,
    Names,
    Numbering,
    Window,
    trailing_windows,
)
from harvey_pipeline.segments.transforms.exact import divide_half_up, from_millionths
from harvey_pipeline.segments.transforms.quotients import divide_once
from harvey_pipeline.segments.transforms.window_sums import WindowSums, window_of_sums

_WEIGHTS: Final = {"frequency": 30, "diversity": 20, "recency": 20, "consistency": 15, "depth": 15}
"""Percent; a weight times a component in ten-thousandths is a part of the score in millionths."""

_ONE: Final = 10_000
"""A component of 1."""
_REFERENCE_ACCESSES: Final = 500
_REFERENCE_SECONDS: Final = 3600
_FEWEST_APPS, _MOST_APPS = 3, 15
_RECENT_DAYS: Final = 1
_WEEKS: Final = 12
_WEEKS_OF_A_THIRD: Final = 4
_WEEK_DAYS: Final = 7
_STEADY_DAYS: Final = 4
"""Days of a week beyond these count nothing for consistency."""
_TREND_STEP: Final = 100_000
"""Millionths by which the latest score differs where there is a trend."""
_FEWEST_OBSERVED_DAYS: Final = 80

_BLOCK_ROWS: Final = 30_000
"""Rows of days that are scored together: planning a query costs some of their time."""

_FEW_DAYS: Final = 2
"""Days up to which windows are cheaper summed one by one than carried from day to day."""

_TYPES: Final = ENGAGEMENT_SCORES.polars_schema


def score_users(
    access: pl.LazyFrame,
    user_versions: pl.LazyFrame,
    employee_versions: pl.LazyFrame,
    covered: Collection[date],
    days: Sequence[date],
    sums_of: Callable[[date], WindowSums] | None = None,
) -> Iterator[pl.LazyFrame]:
    """`segments.engagement_scores` of consecutive days, in blocks of days.

    Args:
        access: `segments.user_daily_access` of the 365 days that end on each day.
        user_versions: `core.dim_user`.
        employee_versions: `segments.dim_employee`.
        covered: The covered days, at least those of the 90 days that end on each day.
        days: Consecutive days, ascending.
        sums_of: The sums of a day's window, for as few days as cost less one by one.
    """
    users = user_versions.select("user_id", "user_created_date", *_VALIDITY).collect()
    employees = employee_versions.select("user_id", "tenant_id", _START).collect()
    names = Names(
        Numbering(pl.concat([users["user_id"], employees["user_id"]])),
        Numbering(pl.concat([pl.Series([UNKNOWN]), employees["tenant_id"].drop_nulls()])),
        Numbering(pl.Series(PRODUCT_APPS)),
    )
    users = users.with_columns(names.users.number(users["user_id"]).alias("user"))
    employees = employees.with_columns(
        names.users.number(employees["user_id"]).alias("user"),
        tenant=_numbers_of_tenants(employees["tenant_id"], names.tenants),
    )
    created = _AsOf(users, ("user_created_date", "effective_end_date"))
    employed = _AsOf(employees, ("tenant",))
    windows: Iterator[Window]
    if sums_of is not None and len(days) <= _FEW_DAYS:
        windows = (window_of_sums(day, sums_of(day), names) for day in days)
    else:
        windows = trailing_windows(access, days, names)
    dated = (_describe(window, names, created, employed, covered) for window in windows)
    for block in _blocks(dated):
        yield _score(pl.concat(block).lazy())


_START: Final = "effective_start_date"
_VALIDITY: Final = (_START, "effective_end_date")


def _numbers_of_tenants(tenants: pl.Series, numbering: Numbering) -> pl.Series:
    numbers = numbering.number(tenants.fill_null(UNKNOWN))
    return numbers.cast(pl.Int64).set(tenants.is_null(), None)


class _AsOf:
    """What is known of users as of a day: by their latest version that has begun by then."""

    def __init__(self, versions: pl.DataFrame, attributes: Iterable[str]) -> None:
        self.attributes = tuple(attributes)
        self.versions = versions.sort(_START)
        self.day: date | None = None
        self.columns = {name: self.versions[name].clear() for name in self.attributes}

    def of(self, day: date, known: int) -> dict[str, pl.Series]:
        """The attributes by the users' numbers, null where there is no version yet.

        The days asked for ascend.
        """
        has_begun = pl.col(_START) <= day
        if self.day is not None:
            has_begun &= pl.col(_START) > self.day
        begun = self.versions.filter(has_begun).unique("user", keep="last")
        for name, values in self.columns.items():
            grown = values.extend_constant(None, known - len(values))
            # A frame made of these columns keeps the values of its day.
            self.columns[name] = grown.clone().scatter(begun["user"], begun[name])
        self.day = day
        return self.columns


def _describe(
    window: Window, names: Names, created: _AsOf, employed: _AsOf, covered: Collection[date]
) -> pl.DataFrame:
    """One row per user valid on a day or seen in its window: sums, tenant and attributes."""
    known = window.users.height
    attributes = created.of(window.day, known)
    of_employees = employed.of(window.day, known)["tenant"]
    used = window.users["tenant"]
    tenant = of_employees.zip_with(of_employees.is_not_null(), used).fill_null(_UNKNOWN_TENANT)
    offered = window.offered.clip(_FEWEST_APPS, _MOST_APPS)
    days = (window.day - timedelta(days=ago) for ago in range(WINDOW_DAYS))
    observed = sum(day in covered for day in days)
    return window.users.with_columns(
        names.users.keys.head(known).alias("user_id"),
        tenant.alias("tenant"),
        offered.gather(tenant).alias("apps_on_offer"),
        names.tenants.keys.gather(tenant).alias("tenant_id"),
        names.apps.keys.gather(window.users["top_app"]).alias("top_app"),
        attributes["user_created_date"],
        date=pl.lit(window.day),
        observed_days=pl.lit(observed, dtype=pl.Int64),
    ).filter(
        window.users["is_seen"] | (attributes["effective_end_date"] >= window.day).fill_null(False)
    )


_UNKNOWN_TENANT: Final = 0
"""The number of `unknown`, which is numbered first."""


def _blocks(frames: Iterable[pl.DataFrame]) -> Iterator[list[pl.DataFrame]]:
    """Frames that follow each other, together where they are small; in order."""
    block: list[pl.DataFrame] = []
    rows = 0
    for frame in frames:
        if block and rows + frame.height > _BLOCK_ROWS:
            yield block
            block, rows = [], 0
        block.append(frame)
        rows += frame.height
    if block:
        yield block


def _score(users: pl.LazyFrame) -> pl.LazyFrame:
    col = pl.col
    first_known = pl.min_horizontal(col("user_created_date"), col("first_day").cast(pl.Date))
    scored = (
        users.with_columns(
            last_access_days_ago=_days_since_access(),
            active_days=pl.sum_horizontal(_ones(col(f"dates_{third}")) for third in THIRDS),
            **{f"days_of_week_{week}": _days_of_week(week) for week in range(_WEEKS)},
        )
        .with_columns(
            days_known=(col("date") - first_known).dt.total_days(),
            total_accesses=_of_window("accesses"),
            accesses_30d=col("accesses_1"),
            active_weeks=pl.sum_horizontal(
                (col(f"days_of_week_{week}") > 0).cast(pl.Int64) for week in range(_WEEKS)
            ),
            active_seconds=_of_window("active_seconds"),
            device_count=col("devices"),
            location_diversity=col("locations"),
        )
        .with_columns(_components_of_window())
        .with_columns(
            _weighted(list(_WEIGHTS), "engagement_score"),
            *(
                _score_of_third(third).alias(name)
                for third, name in zip(THIRDS, SCORES[-len(THIRDS) :], strict=True)
            ),
        )
        .with_columns(
            accesses_per_week=divide_once(col("total_accesses") * 7, pl.lit(WINDOW_DAYS)),
            avg_session_minutes=divide_once(col("active_seconds"), col("active_days") * 60),
            auth_success_rate=divide_once(
                col("auth_successes") * 100, col("auth_successes") + col("auth_failures")
            ),
            trend=_trend(),
        )
    )
    return (
        _rank(scored)
        .with_columns(
            *(
                (col(name.removesuffix("_score")) * (1_000_000 // _ONE)).alias(name)
                for name in SCORES[: len(_WEIGHTS)]
            )
        )
        .with_columns(from_millionths(name) for name in SCORES)
        .select(col(name).cast(dtype) for name, dtype in _TYPES.items())
    )


def _of_window(name: str) -> pl.Expr:
    return pl.sum_horizontal(f"{name}_{third}" for third in THIRDS)


def _ones(bits: pl.Expr) -> pl.Expr:
    return bits.bitwise_count_ones().cast(pl.Int64)


def _days_since_access() -> pl.Expr:
    """Days from the last access to the window's last day; null without access."""
    since: pl.Expr = pl.lit(None, dtype=pl.Int64)
    for third in reversed(THIRDS):
        dates = pl.col(f"dates_{third}")
        days = _days_since(dates) + (third - 1) * MONTH_DAYS
        since = pl.when(dates != 0).then(days).otherwise(since)
    return since


def _days_since(dates: pl.Expr) -> pl.Expr:
    """Days from the last access of a third to its last day; of none 64."""
    return dates.bitwise_trailing_zeros().cast(pl.Int64)


def _days_of_week(week: int) -> pl.Expr:
    """Days with access of a week of the window; week 0 ends on the window's last day."""
    third, start = divmod(week * _WEEK_DAYS, MONTH_DAYS)
    dates = _bits(pl.col(f"dates_{third + 1}"), start, _WEEK_DAYS)
    beyond = start + _WEEK_DAYS - MONTH_DAYS
    if beyond > 0:
        return _ones(dates) + _ones(_bits(pl.col(f"dates_{third + 2}"), 0, beyond))
    return _ones(dates)


def _bits(dates: pl.Expr, start: int, length: int) -> pl.Expr:
    """Some of the days of a third, in their places."""
    return dates & pl.lit((2**length - 1) << start, dtype=pl.Int64)


def _components_of_window() -> list[pl.Expr]:
    col = pl.col
    weeks = [col(f"days_of_week_{week}") for week in range(_WEEKS)]
    return [
        _frequency(_of_window("capped_accesses"), WINDOW_DAYS).alias("frequency"),
        _diversity(col("earnest_apps")).alias("diversity"),
        _recency(col("last_access_days_ago")).alias("recency"),
        _consistency(weeks).alias("consistency"),
        _depth(col("active_seconds"), col("active_days")).alias("depth"),
    ]


def _score_of_third(third: int) -> pl.Expr:
    """The score of 30 days, in millionths."""
    col = pl.col
    dates = col(f"dates_{third}")
    weeks = [
        _ones(_bits(dates, week * _WEEK_DAYS, _WEEK_DAYS)) for week in range(_WEEKS_OF_A_THIRD)
    ]
    components = {
        "frequency": _frequency(col(f"capped_accesses_{third}"), MONTH_DAYS),
        "diversity": _diversity(col(f"earnest_apps_{third}")),
        "recency": _recency(_days_since(dates)),
        "consistency": _consistency(weeks),
        "depth": _depth(col(f"active_seconds_{third}"), _ones(dates)),
    }
    return pl.sum_horizontal(components[name] * weight for name, weight in _WEIGHTS.items())


def _weighted(components: Sequence[str], name: str) -> pl.Expr:
    return pl.sum_horizontal(pl.col(one) * _WEIGHTS[one] for one in components).alias(name)


def _at_most_one(component: pl.Expr) -> pl.Expr:
    return component.clip(upper_bound=_ONE)


def _frequency(capped_accesses: pl.Expr, length: int) -> pl.Expr:
    """Accesses, at most 20 a day, of 500 in 90 days; in ten-thousandths, as all components."""
    return _at_most_one(
        divide_half_up(capped_accesses * WINDOW_DAYS, _REFERENCE_ACCESSES * length, _ONE)
    )


def _diversity(earnest_apps: pl.Expr) -> pl.Expr:
    """Apps used in earnest of those on offer."""
    return _at_most_one(divide_half_up(earnest_apps, pl.col("apps_on_offer"), _ONE))


def _recency(days_since: pl.Expr) -> pl.Expr:
    """From 1, up to a day after the last access, down to 0 from 30 days on, or without one."""
    left = (MONTH_DAYS - days_since).clip(0, MONTH_DAYS - _RECENT_DAYS).fill_null(0)
    return divide_half_up(left, MONTH_DAYS - _RECENT_DAYS, _ONE)


def _consistency(days_of_weeks: Sequence[pl.Expr]) -> pl.Expr:
    """Days with access, at most 4 of each week, of 4 a week."""
    days = pl.sum_horizontal(days.clip(upper_bound=_STEADY_DAYS) for days in days_of_weeks)
    return divide_half_up(days, _STEADY_DAYS * len(days_of_weeks), _ONE)


def _depth(active_seconds: pl.Expr, active_days: pl.Expr) -> pl.Expr:
    """Active time of a day with access, of an hour; 0 without such a day."""
    depth = divide_half_up(active_seconds, active_days * _REFERENCE_SECONDS, _ONE)
    return _at_most_one(depth.fill_null(0))


def _trend() -> pl.Expr:
    """By the latest score and the mean of the two before, where those are known."""
    increasing, decreasing, stable = (pl.lit(trend, dtype=pl.Enum(TRENDS)) for trend in TRENDS)
    col = pl.col
    twice = 2 * col("score_30d") - col("score_30_60d") - col("score_60_90d")
    is_known = (col("observed_days") >= _FEWEST_OBSERVED_DAYS) & (col("days_known") >= WINDOW_DAYS)
    return (
        pl.when(~is_known)
        .then(None)
        .when(twice >= 2 * _TREND_STEP)
        .then(increasing)
        .when(twice <= -2 * _TREND_STEP)
        .then(decreasing)
        .otherwise(stable)
    )


def _rank(scored: pl.LazyFrame) -> pl.LazyFrame:
    """Add `tenant_active_users` and `percentile`, among the users of a tenant with access.

    SQL's `percent_rank()`: (rank - 1) / (rows - 1), ties share the lowest rank, 0 for one row.
    """
    col, tenant = pl.col, ("date", "tenant")
    score = pl.when(col("total_accesses") > 0).then("engagement_score")
    ranked = scored.with_columns(
        rank=score.rank("min").over(tenant).cast(pl.Int64),
        tenant_active_users=score.count().over(tenant).cast(pl.Int64),
    )
    others = col("tenant_active_users") - 1
    percentile = divide_once((col("rank") - 1) * 100, pl.max_horizontal(others, pl.lit(1)))
    return ranked.with_columns(percentile=percentile)
