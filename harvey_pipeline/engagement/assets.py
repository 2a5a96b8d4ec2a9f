"""The subject's assets: wiring only. Each hands its inputs to a transform."""

from collections.abc import Mapping
from datetime import date, timedelta

import polars as pl

from harvey_pipeline.engagement.dimensions import FIRMS, USERS
from harvey_pipeline.engagement.sources import EVENTS, SOURCES
from harvey_pipeline.engagement.tables import TABLES
from harvey_pipeline.engagement.tables.labels import GROWTH_DAYS, WINDOW_DAYS
from harvey_pipeline.engagement.transforms.activity import ACTIVITY_SUMS, sum_activity_by_week
from harvey_pipeline.engagement.transforms.engagement import score_engagement
from harvey_pipeline.engagement.transforms.firms import summarise_firms
from harvey_pipeline.engagement.transforms.first_activity import (
    days_between_first_days,
    take_in_activity,
)
from harvey_pipeline.engagement.transforms.growth import (
    account_for_growth,
    count_active,
    count_active_days,
    count_segments,
)
from harvey_pipeline.engagement.transforms.kpis import (
    VOLUME_DAYS,
    build_dashboard,
    summarise_events,
)
from harvey_pipeline.engagement.transforms.months import (
    follow_cohorts,
    rank_users,
    summarise_firm_months,
)
from harvey_pipeline.engagement.transforms.tier_changes import compare_tiers
from harvey_pipeline.graph.assets import TableAsset, reads, reads_sums, table_asset
from harvey_pipeline.graph.quality_asset import quality_asset
from harvey_pipeline.landing.raw_store import RawStore
from harvey_pipeline.landing.sums import SumsOfDays
from harvey_pipeline.settings import read_quality_settings
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline.warehouse.warehouse import Deferred, Pieces, Warehouse

_DIM_USER = TABLES["core.dim_user"]
_DIM_FIRMS = TABLES["core.dim_firms"]
_ACTIVITY = TABLES["core.user_daily_activity"]
_FIRST_ACTIVITY = TABLES["core.first_activity"]
_ENGAGEMENT = TABLES["marts.daily_user_engagement"]
_FIRM_SUMMARY = TABLES["marts.daily_firm_usage_summary"]
_EVENT_SUMMARY = TABLES["marts.daily_event_summary"]
_DASHBOARD = TABLES["marts.harvey_analytics_dashboard"]
_SEGMENTS = TABLES["marts.usage_by_segment"]
_USER_MONTHS = TABLES["months.user_engagement"]
_FIRM_MONTHS = TABLES["months.firm_usage_summary"]
_COHORTS = TABLES["months.retention_cohorts"]

_WINDOW = WINDOW_DAYS - 1
_TWO_GROWTH_WINDOWS = 2 * GROWTH_DAYS - 1


@table_asset(_ACTIVITY, {"events": reads_sums(ACTIVITY_SUMS)})
def user_daily_activity(days: list[date], events: SumsOfDays) -> Pieces:
    return Pieces(sum_activity_by_week(events, days))


@table_asset(_FIRST_ACTIVITY, {"user_daily_activity": reads(_ACTIVITY)})
def first_activity(
    days: list[date], user_daily_activity: pl.LazyFrame, warehouse: Warehouse
) -> Deferred:

    def plan() -> Mapping[Table, pl.LazyFrame]:
        taken_in = [day for day in warehouse.days_written(_FIRST_ACTIVITY) if day > days[-1]]
        later = warehouse.read(_ACTIVITY).filter(pl.col("date") > days[-1])
        return {
            _FIRST_ACTIVITY: take_in_activity(
                warehouse.read(_FIRST_ACTIVITY).collect(),
                user_daily_activity,
                later.filter(pl.col("date").is_in(taken_in)),
                days[0],
                days[-1],
            )
        }

    return Deferred(plan, {_FIRST_ACTIVITY: days_between_first_days})


@table_asset(
    _ENGAGEMENT,
    {"user_daily_activity": reads(_ACTIVITY, before=_WINDOW), "dim_user": reads(_DIM_USER)},
)
def daily_user_engagement(
    days: list[date], user_daily_activity: pl.LazyFrame, dim_user: pl.LazyFrame
) -> Pieces:
    return Pieces(score_engagement(user_daily_activity, dim_user, days))


@table_asset(
    _FIRM_SUMMARY,
    {"user_daily_activity": reads(_ACTIVITY, before=_WINDOW), "dim_firms": reads(_DIM_FIRMS)},
)
def daily_firm_usage_summary(
    days: list[date], user_daily_activity: pl.LazyFrame, dim_firms: pl.LazyFrame
) -> Pieces:
    return Pieces(summarise_firms(user_daily_activity, dim_firms, days))


@table_asset(
    _EVENT_SUMMARY,
    {"user_daily_activity": reads(_ACTIVITY, before=VOLUME_DAYS)},
    after=[reads(EVENTS.table, before=VOLUME_DAYS)],
    # Usual is what days of the same weekday say.
    windows={
        _ACTIVITY.name: lambda day: DayRange(day - timedelta(days=VOLUME_DAYS), day).days[::7]
    },
)
def daily_event_summary(
    days: list[date], user_daily_activity: pl.LazyFrame, raw_store: RawStore
) -> pl.LazyFrame:
    first = days[0] - timedelta(days=VOLUME_DAYS)
    covered = raw_store.observed_days(EVENTS, DayRange(first, days[-1]))
    return summarise_events(user_daily_activity, covered["day"].to_list(), days)


def _two_windows(day: date) -> list[date]:
    return DayRange(day - timedelta(days=2 * WINDOW_DAYS - 1), day).days


@table_asset(
    _DASHBOARD,
    {
        "daily_event_summary": reads(_EVENT_SUMMARY, before=2 * WINDOW_DAYS - 1),
        "daily_user_engagement": reads(_ENGAGEMENT, before=WINDOW_DAYS),
        "daily_firm_usage_summary": reads(_FIRM_SUMMARY),
    },
    # The rows of 30 days before rest on the 30 days before those.
    windows={
        _ACTIVITY.name: _two_windows,
        _EVENT_SUMMARY.name: _two_windows,
        _ENGAGEMENT.name: lambda day: [day - timedelta(days=WINDOW_DAYS)],
    },
)
def harvey_analytics_dashboard(
    days: list[date],
    daily_event_summary: pl.LazyFrame,
    daily_user_engagement: pl.LazyFrame,
    daily_firm_usage_summary: pl.LazyFrame,
) -> pl.LazyFrame:
    return build_dashboard(
        daily_event_summary, daily_user_engagement, daily_firm_usage_summary, days
    )


@table_asset(
    TABLES["marts.tier_changes"],
    {"daily_user_engagement": reads(_ENGAGEMENT, before=WINDOW_DAYS)},
    # A check compares both.
    after=[reads(_DASHBOARD)],
    windows={
        _ACTIVITY.name: _two_windows,
        _ENGAGEMENT.name: lambda day: [day - timedelta(days=WINDOW_DAYS)],
    },
)
def tier_changes(days: list[date], daily_user_engagement: pl.LazyFrame) -> Pieces:
    return Pieces(compare_tiers(daily_user_engagement, days))


@table_asset(
    _SEGMENTS,
    {
        "user_daily_activity": reads(_ACTIVITY, before=_TWO_GROWTH_WINDOWS),
        "first_activity": reads(_FIRST_ACTIVITY, before=GROWTH_DAYS - 1),
        "dim_user": reads(_DIM_USER),
        "dim_firms": reads(_DIM_FIRMS),
    },
    # Who is new is a question to all of history.
    windows={
        _ACTIVITY.name: lambda day: DayRange(day - timedelta(days=_TWO_GROWTH_WINDOWS), day).days,
        _FIRST_ACTIVITY.name: None,
    },
)
def usage_by_segment(
    days: list[date],
    user_daily_activity: pl.LazyFrame,
    first_activity: pl.LazyFrame,
    dim_user: pl.LazyFrame,
    dim_firms: pl.LazyFrame,
) -> Pieces:
    dimensions = {"user": dim_user, "firm": dim_firms}
    return Pieces(count_segments(user_daily_activity, first_activity, dimensions, days))


@table_asset(
    TABLES["marts.growth_accounting"],
    {"usage_by_segment": reads(_SEGMENTS)},
    # Since when events are covered is a question to all of history.
    after=[reads(EVENTS.table, is_all_before=True)],
)
def growth_accounting(
    days: list[date], usage_by_segment: pl.LazyFrame, raw_store: RawStore
) -> pl.LazyFrame:
    return account_for_growth(usage_by_segment, days, raw_store.first_covered_day(EVENTS))


@table_asset(TABLES["marts.active_usage"], {"usage_by_segment": reads(_SEGMENTS)})
def active_usage(days: list[date], usage_by_segment: pl.LazyFrame) -> pl.LazyFrame:
    return count_active(usage_by_segment, days)


@table_asset(
    TABLES["marts.power_curve"],
    {"user_daily_activity": reads(_ACTIVITY, before=GROWTH_DAYS - 1)},
)
def power_curve(days: list[date], user_daily_activity: pl.LazyFrame) -> Pieces:
    return Pieces(count_active_days(user_daily_activity, days))


data_quality_daily = quality_asset(
    TABLES["marts.data_quality_daily"],
    SOURCES,
    {EVENTS.name: {"user_id": USERS, "firm_id": FIRMS}},
    read_quality_settings(),
)


@table_asset(_USER_MONTHS, {"user_daily_activity": reads(_ACTIVITY, before=1)})
def user_engagement(days: list[date], user_daily_activity: pl.LazyFrame) -> Pieces:
    return Pieces(rank_users(user_daily_activity, days))


@table_asset(
    _FIRM_MONTHS,
    {"user_daily_activity": reads(_ACTIVITY), "dim_firms": reads(_DIM_FIRMS)},
    covered_by=EVENTS,
)
def firm_usage_summary(
    days: list[date],
    user_daily_activity: pl.LazyFrame,
    dim_firms: pl.LazyFrame,
    raw_store: RawStore,
) -> Pieces:
    last_covered = raw_store.last_covered_day(EVENTS)
    return Pieces(summarise_firm_months(user_daily_activity, dim_firms, days, last_covered))


@table_asset(
    _COHORTS,
    {"first_activity": reads(_FIRST_ACTIVITY, is_all_before=True)},
    after=[
        reads(_USER_MONTHS),
        reads(_FIRM_MONTHS),
        # Since when events are covered says which cohort is the first one.
        reads(EVENTS.table, is_all_before=True),
    ],
    covered_by=EVENTS,
)
def retention_cohorts(
    days: list[date],
    first_activity: pl.LazyFrame,
    warehouse: Warehouse,
    raw_store: RawStore,
) -> Deferred:
    read = {"user": _USER_MONTHS, "firm": _FIRM_MONTHS}

    def plan() -> Mapping[Table, pl.LazyFrame]:
        first_covered = raw_store.first_covered_day(EVENTS)
        last_covered = raw_store.last_covered_day(EVENTS)
        return {
            _COHORTS: follow_cohorts(
                warehouse.read(_COHORTS).collect(),
                first_activity,
                {grain: warehouse.read(table) for grain, table in read.items()},
                set.intersection(*(warehouse.days_written(table) for table in read.values())),
                days[0],
                (first_covered, last_covered) if first_covered and last_covered else None,
            )
        }

    return Deferred(plan)


ASSETS: tuple[TableAsset, ...] = (
    user_daily_activity,
    first_activity,
    daily_user_engagement,
    daily_firm_usage_summary,
    daily_event_summary,
    harvey_analytics_dashboard,
    tier_changes,
    usage_by_segment,
    growth_accounting,
    active_usage,
    power_curve,
    data_quality_daily,
    user_engagement,
    firm_usage_summary,
    retention_cohorts,
)
