"""Calendar months: a partition is a month, the current one as far as its days have come."""

from collections.abc import Mapping

import dagster as dg
import polars as pl

from harvey_pipeline.assets.declare import asset_key, days_of_run, table_asset, table_input
from harvey_pipeline.partitions import DAYS_OF_MONTH, DAYS_OF_MONTH_AND_MONTH_BEFORE
from harvey_pipeline.raw_store import RawStore
from harvey_pipeline.transforms.months import follow_cohorts, rank_users, summarise_firm_months
from harvey_pipeline.warehouse import Deferred, Pieces, Warehouse

_KINDS = {"polars", "duckdb"}


@table_asset(
    "months.user_engagement",
    kinds=_KINDS,
    ins={
        "user_daily_activity": table_input(
            "core.user_daily_activity", DAYS_OF_MONTH_AND_MONTH_BEFORE
        )
    },
)
def user_engagement(context: dg.AssetExecutionContext, user_daily_activity: pl.LazyFrame) -> Pieces:
    return Pieces(rank_users(user_daily_activity, days_of_run(context)))


@table_asset(
    "months.firm_usage_summary",
    kinds=_KINDS,
    ins={
        "user_daily_activity": table_input("core.user_daily_activity", DAYS_OF_MONTH),
        "dim_firms": table_input("core.dim_firms", DAYS_OF_MONTH),
    },
)
def firm_usage_summary(
    context: dg.AssetExecutionContext,
    user_daily_activity: pl.LazyFrame,
    dim_firms: pl.LazyFrame,
    raw_store: RawStore,
) -> Pieces:
    last_covered = raw_store.last_covered_day()
    months = days_of_run(context)
    return Pieces(summarise_firm_months(user_daily_activity, dim_firms, months, last_covered))


@table_asset(
    "months.retention_cohorts",
    kinds=_KINDS,
    ins={"first_activity": table_input("core.first_activity", DAYS_OF_MONTH)},
    deps=[
        dg.AssetDep(asset_key("months.user_engagement")),
        dg.AssetDep(asset_key("months.firm_usage_summary")),
    ],
)
def retention_cohorts(
    context: dg.AssetExecutionContext,
    first_activity: pl.LazyFrame,
    warehouse: Warehouse,
    raw_store: RawStore,
) -> Deferred:
    name = "months.retention_cohorts"
    read = {"user": "months.user_engagement", "firm": "months.firm_usage_summary"}
    first_month = days_of_run(context)[0]

    def plan() -> Mapping[str, pl.LazyFrame]:
        return {
            name: follow_cohorts(
                warehouse.read(name).collect(),
                first_activity,
                {grain: warehouse.read(table) for grain, table in read.items()},
                set.intersection(*(warehouse.days_written(table) for table in read.values())),
                first_month,
                raw_store.last_covered_day(),
            )
        }

    return Deferred(plan)
