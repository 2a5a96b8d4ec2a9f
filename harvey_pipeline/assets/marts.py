"""Marts: scores, summaries and KPIs, each from the sums and the dimensions."""

import dagster as dg
import polars as pl

from harvey_pipeline.assets.declare import asset_key, days_of_run, table_asset, table_input
from harvey_pipeline.io_managers import last_row_as_markdown
from harvey_pipeline.partitions import (
    DAY_AND_WINDOW_BEFORE,
    GROWTH_WINDOW,
    TRAILING_WINDOW,
    TWO_GROWTH_WINDOWS,
    TWO_WINDOWS,
)
from harvey_pipeline.raw_store import RawStore
from harvey_pipeline.tables.marts import HarveyAnalyticsDashboard
from harvey_pipeline.transforms.engagement import score_engagement
from harvey_pipeline.transforms.firms import summarise_firms
from harvey_pipeline.transforms.growth import (
    account_for_growth,
    count_active,
    count_active_days,
    count_segments,
)
from harvey_pipeline.transforms.kpis import build_dashboard, summarise_events
from harvey_pipeline.warehouse import DayRange, Pieces

_KINDS = {"polars", "duckdb"}


@table_asset(
    "marts.daily_user_engagement",
    kinds=_KINDS,
    ins={
        "user_daily_activity": table_input("core.user_daily_activity", TRAILING_WINDOW),
        "dim_user": table_input("core.dim_user"),
    },
)
def daily_user_engagement(
    context: dg.AssetExecutionContext, user_daily_activity: pl.LazyFrame, dim_user: pl.LazyFrame
) -> Pieces:
    return Pieces(score_engagement(user_daily_activity, dim_user, days_of_run(context)))


@table_asset(
    "marts.daily_firm_usage_summary",
    kinds=_KINDS,
    ins={
        "user_daily_activity": table_input("core.user_daily_activity", TRAILING_WINDOW),
        "dim_firms": table_input("core.dim_firms"),
    },
)
def daily_firm_usage_summary(
    context: dg.AssetExecutionContext, user_daily_activity: pl.LazyFrame, dim_firms: pl.LazyFrame
) -> Pieces:
    return Pieces(summarise_firms(user_daily_activity, dim_firms, days_of_run(context)))


@table_asset(
    "marts.daily_event_summary",
    kinds=_KINDS,
    ins={"user_daily_activity": table_input("core.user_daily_activity")},
    deps=[dg.AssetDep(asset_key("raw.raw_events"))],
)
def daily_event_summary(
    context: dg.AssetExecutionContext, user_daily_activity: pl.LazyFrame, raw_store: RawStore
) -> pl.LazyFrame:
    days = days_of_run(context)
    covered = raw_store.observed_days("events", DayRange(days[0], days[-1]))
    return summarise_events(user_daily_activity, covered["day"].to_list(), days)


@table_asset(
    "marts.harvey_analytics_dashboard",
    kinds=_KINDS,
    ins={
        "daily_event_summary": table_input("marts.daily_event_summary", TWO_WINDOWS),
        "daily_user_engagement": table_input("marts.daily_user_engagement", DAY_AND_WINDOW_BEFORE),
        "daily_firm_usage_summary": table_input("marts.daily_firm_usage_summary"),
    },
)
def harvey_analytics_dashboard(
    context: dg.AssetExecutionContext,
    daily_event_summary: pl.LazyFrame,
    daily_user_engagement: pl.LazyFrame,
    daily_firm_usage_summary: pl.LazyFrame,
) -> pl.LazyFrame:
    dashboard = build_dashboard(
        daily_event_summary, daily_user_engagement, daily_firm_usage_summary, days_of_run(context)
    ).collect()
    meanings = {
        name: column.description for name, column in HarveyAnalyticsDashboard.columns().items()
    }
    context.add_output_metadata(
        {"kpis": dg.MetadataValue.md(last_row_as_markdown(dashboard, meanings))}
    )
    return dashboard.lazy()


@table_asset(
    "marts.usage_by_segment",
    kinds=_KINDS,
    ins={
        "user_daily_activity": table_input("core.user_daily_activity", TWO_GROWTH_WINDOWS),
        "first_activity": table_input("core.first_activity"),
        "dim_user": table_input("core.dim_user"),
        "dim_firms": table_input("core.dim_firms"),
    },
)
def usage_by_segment(
    context: dg.AssetExecutionContext,
    user_daily_activity: pl.LazyFrame,
    first_activity: pl.LazyFrame,
    dim_user: pl.LazyFrame,
    dim_firms: pl.LazyFrame,
) -> Pieces:
    dimensions = {"user": dim_user, "firm": dim_firms}
    days = days_of_run(context)
    return Pieces(count_segments(user_daily_activity, first_activity, dimensions, days))


@table_asset(
    "marts.growth_accounting",
    kinds=_KINDS,
    ins={"usage_by_segment": table_input("marts.usage_by_segment")},
)
def growth_accounting(
    context: dg.AssetExecutionContext, usage_by_segment: pl.LazyFrame
) -> pl.LazyFrame:
    return account_for_growth(usage_by_segment, days_of_run(context))


@table_asset(
    "marts.active_usage",
    kinds=_KINDS,
    ins={"usage_by_segment": table_input("marts.usage_by_segment")},
)
def active_usage(context: dg.AssetExecutionContext, usage_by_segment: pl.LazyFrame) -> pl.LazyFrame:
    return count_active(usage_by_segment, days_of_run(context))


@table_asset(
    "marts.power_curve",
    kinds=_KINDS,
    ins={"user_daily_activity": table_input("core.user_daily_activity", GROWTH_WINDOW)},
)
def power_curve(context: dg.AssetExecutionContext, user_daily_activity: pl.LazyFrame) -> Pieces:
    return Pieces(count_active_days(user_daily_activity, days_of_run(context)))
