"""Totals of each day's events, and the dashboard: one row of KPIs per day.

Nothing here depends on the order in which rows arrive: counts are integers, and means of
fractions add up exactly before they are rounded.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from math import fsum
from typing import Final

import polars as pl

from harvey_pipeline.engagement.tables import TABLES
from harvey_pipeline.engagement.tables.labels import (
    FIRM_HEALTH_STATUSES,
    GROWTH_TRENDS,
    POWER_USER_TIERS,
    USAGE_VOLUME_CATEGORIES,
    WEEK_DAYS,
    WINDOW_DAYS,
)
from harvey_pipeline.engagement.transforms.scoring import (
    average_score,
    lower_bounds,
    percent,
    ratio,
)
from harvey_pipeline.engagement.transforms.windows import to_hundredths
from harvey_pipeline.warehouse.days import blocks_of_days, is_dated

_BLOCK_DAYS: Final = 7
"""Days at a time: with those before, 2.8 million rows where there are 200,000 users."""

_POWER_USER: Final = POWER_USER_TIERS[0]

_COMPARED_BEFORE: Final = timedelta(days=WINDOW_DAYS)
"""How far back the day lies with which a day is compared: its window ends where this one starts."""

_TREND_DAYS: Final = 2 * WINDOW_DAYS
"""Days in the windows of a day and of the day that it is compared with."""

_TREND_USERS: Final = 20
"""Power users of the day before from which on there is a trend; of fewer one person is one."""

VOLUME_DAYS: Final = 56
"""How far back the days of the same weekday lie by which a day's number of events is usual."""

_VOLUME_WEEKDAYS: Final = 4
"""How many of them, the latest ones, say what is usual."""


def summarise_events(
    activity: pl.LazyFrame, covered: Collection[date], days: Sequence[date]
) -> pl.LazyFrame:
    """One row per `date` of the days asked for, in their order; zeros where nothing happened.

    Args:
        activity: `core.user_daily_activity`, at least for the days asked for and, for
            `is_volume_usual`, the 56 days before each.
        covered: Days whose events the landing folder covers, at least of all of those.
        days: Days asked for, ascending.
    """
    table = TABLES["marts.daily_event_summary"]
    if not days:
        return table.empty()
    events = _count_events(activity, covered, days)
    calendar = pl.LazyFrame(
        {
            "date": days,
            "is_covered": [day in events for day in days],
            "is_volume_usual": [is_volume_usual(events, day) for day in days],
        },
        schema={"date": pl.Date, "is_covered": pl.Boolean, "is_volume_usual": pl.Boolean},
    )
    hundredths, scored = pl.col("score_hundredths"), pl.col("scored_events")
    # Who was active is counted by names, which are held for as many days as are counted at once.
    sums = pl.concat(
        _sum_days(activity.filter(is_dated(block[0], block[-1])))
        for block in blocks_of_days(days, _BLOCK_DAYS)
    ).lazy()
    return (
        calendar.join(sums, on="date", how="left", maintain_order="left")
        .with_columns(pl.col(pl.Int64).fill_null(0))
        .with_columns(avg_feedback_score=average_score(hundredths, scored))
        .select(list(table.polars_schema))
    )


def _sum_days(activity: pl.LazyFrame) -> pl.DataFrame:
    """One row per `date` with activity: the figures of `marts.daily_event_summary`."""
    return (
        activity.group_by("date")
        .agg(
            total_events=pl.col("queries").sum(),
            active_users=pl.col("user_id").n_unique().cast(pl.Int64),
            active_firms=pl.col("firm_id").n_unique().cast(pl.Int64),
            total_documents=pl.col("documents").sum(),
            score_hundredths=to_hundredths(pl.col("feedback_sum")).sum(),
            assistant_events=pl.col("assistant_queries").sum(),
            vault_events=pl.col("vault_queries").sum(),
            workflow_events=pl.col("workflow_queries").sum(),
            scored_events=pl.col("feedback_count").sum(),
            high_satisfaction_events=pl.col("high_feedback").sum(),
            low_satisfaction_events=pl.col("low_feedback").sum(),
        )
        .collect(engine="streaming")
    )


def _count_events(
    activity: pl.LazyFrame, covered: Collection[date], days: Sequence[date]
) -> dict[date, int]:
    """Events of every covered day on which a day's volume, or what is usual for it, rests."""
    first = days[0] - timedelta(days=VOLUME_DAYS)
    counted = (
        activity.filter(is_dated(first, days[-1]))
        .group_by("date")
        .agg(pl.col("queries").sum())
        .collect(engine="streaming")
    )
    events = dict(counted.select("date", "queries").iter_rows())
    return {day: events.get(day, 0) for day in covered}


def is_volume_usual(events: Mapping[date, int], day: date) -> bool | None:
    """Whether a day has at least half and at most double the events that are usual.

    False for a day that is not covered, None where nothing says what is usual.

    Args:
        events: Number of events of each covered day.
        day: A day.
    """
    if day not in events:
        return False
    twice = twice_the_usual_volume(events, day)
    return None if twice is None else twice <= 4 * events[day] <= 4 * twice


def twice_the_usual_volume(events: Mapping[date, int], day: date) -> int | None:
    """Twice the number of events that is usual on a day, which is a whole number.

    Usual is the median of the four latest covered days of the same weekday in the 56 days before;
    None where there are fewer.

    Args:
        events: Number of events of each covered day.
        day: A day.
    """
    weeks_before = (day - timedelta(days=back) for back in range(7, VOLUME_DAYS + 1, 7))
    latest = [events[one] for one in weeks_before if one in events][:_VOLUME_WEEKDAYS]
    return sum(sorted(latest)[1:3]) if len(latest) == _VOLUME_WEEKDAYS else None


def usual_volume(summaries: pl.DataFrame, day: date) -> float | None:
    """How many events are usual on a day, by rows of `marts.daily_event_summary` before it."""
    events = summaries.filter("is_covered").select("date", "total_events").iter_rows()
    twice = twice_the_usual_volume(dict(events), day)
    return None if twice is None else twice / 2


def build_dashboard(
    events: pl.LazyFrame,
    engagement: pl.LazyFrame,
    firms: pl.LazyFrame,
    days: Sequence[date],
) -> pl.LazyFrame:
    """One row per `date` of the days asked for, in their order.

    Reads the users' rows of those days and of the days 30 days before, a block of days at a time,
    so that memory does not grow with the number of days.

    Args:
        events: `marts.daily_event_summary` of the days asked for and, for `growth_trend`, of the
            59 days before each.
        engagement: `marts.daily_user_engagement` of the days asked for and of those 30 days
            before. Where a day before has no rows, what is counted against it is 0.
        firms: `marts.daily_firm_usage_summary` of the days asked for.
        days: Days asked for, ascending.
    """
    table = TABLES["marts.harvey_analytics_dashboard"]
    if not days:
        return table.empty()
    first, last = days[0], days[-1]
    summaries = events.filter(is_dated(first - timedelta(days=_TREND_DAYS - 1), last)).collect(
        engine="streaming"
    )
    # Dagster widens a backfill of some days to all days whose windows they touch; of those, the
    # ones that nobody has run have no summary, and nothing to say.
    days = [day for day in days if day in set(summaries["date"])]
    if not days:
        return table.empty()
    users = pl.concat(
        _summarise_users(engagement, block[0], block[-1])
        for block in blocks_of_days(days, _BLOCK_DAYS)
    )
    calendar = pl.DataFrame({"date": days, "has_trend": _have_trend(summaries, days)})
    return (
        calendar.join(summaries, on="date", maintain_order="left")
        .join(users, on="date", how="left", maintain_order="left")
        .join(_summarise_firms(firms, first, last), on="date", how="left", maintain_order="left")
        .with_columns(pl.col(pl.Int64).fill_null(0))
        .with_columns(_event_rates() + _user_rates())
        .with_columns(
            growth_trend=growth_trend(
                pl.col("power_users"),
                pl.col("power_users_before"),
                pl.col("power_users_kept"),
                pl.col("has_trend"),
            ),
            usage_volume_category=usage_volume_category(pl.col("total_events")),
        )
        .select(list(table.polars_schema))
        .lazy()
    )


def _summarise_users(engagement: pl.LazyFrame, first: date, last: date) -> pl.DataFrame:
    """One row per `date` from first to last with rows then or 30 days before: users counted."""
    rows = (
        engagement.filter(is_dated(first, last))
        .select(
            "date",
            "user_id",
            "user_created_date",
            "total_queries",
            "active_days",
            "unique_event_types",
            "avg_feedback_score",
            "last_activity_date",
            "power_user_score",
            "power_user_tier",
        )
        .collect(engine="streaming")
    )
    before = (
        engagement.filter(is_dated(first - _COMPARED_BEFORE, last - _COMPARED_BEFORE))
        .select(
            pl.col("date") + _COMPARED_BEFORE,
            "user_id",
            pl.col("power_user_tier").alias("tier_before"),
        )
        .collect(engine="streaming")
    )
    counts = _count_users(rows)
    return counts.join(_compare_tiers(rows, before), on="date", how="full", coalesce=True)


def _count_users(rows: pl.DataFrame) -> pl.DataFrame:
    """One row per `date`: users by activity, tier and age, and means over the active ones."""
    is_active = pl.col("active_days") > 0
    tier = pl.col("power_user_tier")
    tiers = ("power_users", "high_value_users", "medium_value_users", "low_value_users")
    counts = {
        "dau": pl.col("last_activity_date") == pl.col("date"),
        "wau": pl.col("last_activity_date") > pl.col("date") - timedelta(days=WEEK_DAYS),
        "mau": is_active,
        **{
            name: tier == label
            for name, label in zip((*tiers, "inactive_users"), POWER_USER_TIERS, strict=True)
        },
        "feature_adopters": pl.col("unique_event_types") >= 2,
        "new_users": is_active
        & (pl.col("user_created_date") > pl.col("date") - timedelta(days=WINDOW_DAYS))
        & (pl.col("user_created_date") <= pl.col("date")),
    }
    means = {
        "avg_power_score": "power_user_score",
        "avg_queries_per_user": "total_queries",
        "avg_active_days_per_user": "active_days",
    }
    return rows.group_by("date").agg(
        *(condition.sum().cast(pl.Int64).alias(name) for name, condition in counts.items()),
        *(pl.col(column).filter(is_active).mean().alias(name) for name, column in means.items()),
        _mean_of_scores(pl.col("avg_feedback_score")).alias("avg_user_feedback"),
    )


def _mean_of_scores(score: pl.Expr) -> pl.Expr:
    """Mean of numbers from 1 to 5, nulls left out, with the sum rounded once.

    A double from 1 on is a whole number of steps of 2^-52. The sums of its high part, in steps
    of 2^-26, and of the rest are whole numbers small enough to stay exact.
    """
    step = 2**26
    high = (score * step).floor()
    rest = (score * step - high) * step
    total = high.cast(pl.Int64).sum() / step + rest.cast(pl.Int64).sum() / (step * step)
    return pl.when(score.count() > 0).then(total / score.count())


def _compare_tiers(rows: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """One row per `date`: power users 30 days before, those kept, and users who changed tier.

    Args:
        rows: `date`, `user_id`, `power_user_tier`.
        before: The rows of 30 days before, dated 30 days later: `date`, `user_id`, `tier_before`.
    """
    tier, tier_before = pl.col("power_user_tier"), pl.col("tier_before")
    # A category's number is its place in POWER_USER_TIERS, the best tier first.
    place, place_before = tier.to_physical().cast(pl.Int8), tier_before.to_physical().cast(pl.Int8)
    changes = {
        "power_users_kept": (tier == _POWER_USER) & (tier_before == _POWER_USER),
        "users_moved_up": place < place_before,
        "users_moved_down": place > place_before,
    }
    compared = (
        rows.lazy()
        .select("date", "user_id", "power_user_tier")
        .join(before.lazy(), on=["date", "user_id"])
        .group_by("date")
        .agg(condition.sum().cast(pl.Int64).alias(name) for name, condition in changes.items())
        .collect(engine="streaming")
    )
    return (
        before.group_by("date")
        .agg(power_users_before=(tier_before == _POWER_USER).sum().cast(pl.Int64))
        .join(compared, on="date", how="left")
    )


def _summarise_firms(firms: pl.LazyFrame, first: date, last: date) -> pl.DataFrame:
    """One row per `date` that has rows: firms by health, and means over those active that day."""
    names = tuple(f"{status.lower().replace(' ', '_')}_firms" for status in FIRM_HEALTH_STATUSES)
    is_active = pl.col("active_users") > 0
    rows = (
        firms.filter(is_dated(first, last))
        .select(
            "date",
            "active_users",
            "avg_feedback_score",
            "daily_adoption_rate",
            "firm_health_status",
        )
        .collect(engine="streaming")
    )
    return rows.group_by("date").agg(
        *(
            (pl.col("firm_health_status") == status).sum().cast(pl.Int64).alias(name)
            for name, status in zip(names, FIRM_HEALTH_STATUSES, strict=True)
        ),
        _exact_mean(pl.col("avg_feedback_score").filter(is_active)).alias("avg_firm_feedback"),
        _exact_mean(pl.col("daily_adoption_rate").filter(is_active)).alias(
            "avg_firm_adoption_rate"
        ),
    )


def _exact_mean(values: pl.Expr) -> pl.Expr:
    """Mean of any numbers, nulls left out, with the sum rounded once; for few rows."""

    def mean(column: pl.Series) -> float | None:
        numbers = column.drop_nulls().to_list()
        return fsum(numbers) / len(numbers) if numbers else None

    return values.map_batches(mean, return_dtype=pl.Float64, returns_scalar=True)


def _have_trend(summaries: pl.DataFrame, days: Sequence[date]) -> list[bool]:
    """Whether all days of a day's window, and of that of 30 days before, are covered."""
    covered = set(summaries.filter("is_covered")["date"])
    return [
        all(day - timedelta(days=back) in covered for back in range(_TREND_DAYS)) for day in days
    ]


def _event_rates() -> list[pl.Expr]:
    """Shares and averages of the day's events."""
    events, users, scored = (
        pl.col(name) for name in ("total_events", "active_users", "scored_events")
    )
    return [
        *(
            percent(pl.col(f"{kind}_events"), events).alias(f"{kind}_percent")
            for kind in ("assistant", "vault", "workflow")
        ),
        *(
            percent(pl.col(f"{kind}_satisfaction_events"), scored).alias(
                f"{kind}_satisfaction_rate"
            )
            for kind in ("high", "low")
        ),
        ratio(events, users).alias("events_per_user"),
        ratio(pl.col("total_documents"), users).alias("documents_per_user"),
        ratio(pl.col("total_documents"), events).alias("documents_per_event"),
    ]


def _user_rates() -> list[pl.Expr]:
    """Shares of the users active in the window, and of the power users of 30 days before."""
    monthly_users, power_users = pl.col("mau"), pl.col("power_users")
    return [
        percent(pl.col("dau"), monthly_users).alias("stickiness"),
        percent(power_users, monthly_users).alias("power_user_rate"),
        percent(pl.col("feature_adopters"), monthly_users).alias("feature_adoption_rate"),
        (monthly_users - pl.col("new_users")).alias("returning_users"),
        percent(pl.col("power_users_kept"), pl.col("power_users_before")).alias(
            "power_user_retention"
        ),
    ]


def growth_trend(
    power_users: pl.Expr, before: pl.Expr, kept: pl.Expr, has_trend: pl.Expr
) -> pl.Expr:
    """Trend of the number of power users against 30 days before: first that holds.

    Compares whole numbers, so that a change or a retention exactly on a bound is on it.

    Args:
        power_users: Power users of the day.
        before: Power users of 30 days before.
        kept: Power users of both days.
        has_trend: Whether every day of both windows is covered.
    """
    strong, growing, stable, declining, critical, insufficient = (
        pl.lit(trend) for trend in GROWTH_TRENDS
    )
    change = (power_users - before) * 100
    return (
        pl.when(~has_trend | (before < _TREND_USERS))
        .then(insufficient)
        .when((power_users - before).abs() <= 1)
        .then(stable)
        .when((change >= before * 10) & (kept * 100 >= before * 70))
        .then(strong)
        .when(change >= before * 2)
        .then(growing)
        .when(change > before * -2)
        .then(stable)
        .when(change > before * -20)
        .then(declining)
        .otherwise(critical)
        .cast(pl.Enum(GROWTH_TRENDS))
    )


def usage_volume_category(events: pl.Expr) -> pl.Expr:
    """Category of the day's number of events."""
    high, medium, low, minimal = USAGE_VOLUME_CATEGORIES
    bounds = ((10_000, high), (5_000, medium), (1_000, low))
    return lower_bounds(events, bounds, minimal, USAGE_VOLUME_CATEGORIES)
