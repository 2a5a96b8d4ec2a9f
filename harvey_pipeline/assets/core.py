"""Core assets: the dimensions with their history, and the sums of what users do."""

from collections.abc import Mapping

import dagster as dg
import polars as pl

from harvey_pipeline.assets.declare import days_of_run, table_asset, table_input
from harvey_pipeline.partitions import DROPS_OF_DAY
from harvey_pipeline.raw_store import RawStore
from harvey_pipeline.tables.labels import Source
from harvey_pipeline.transforms.activity import sum_activity_by_week
from harvey_pipeline.transforms.first_activity import take_in_activity
from harvey_pipeline.transforms.history import (
    FIRMS,
    USERS,
    Dimension,
    derive_versions,
    take_in_snapshots,
)
from harvey_pipeline.transforms.snapshots import show_firms, show_users
from harvey_pipeline.warehouse import DayRange, Deferred, Pieces, Warehouse

_KINDS = {"polars", "duckdb"}


@table_asset("core.dim_user", kinds=_KINDS, ins={"raw_users": table_input("raw.raw_users")})
def dim_user(
    context: dg.AssetExecutionContext,
    raw_users: pl.LazyFrame,
    raw_store: RawStore,
    warehouse: Warehouse,
) -> Deferred:
    return _take_in(context, USERS, "users", show_users(raw_users), raw_store, warehouse)


@table_asset("core.dim_firms", kinds=_KINDS, ins={"raw_firms": table_input("raw.raw_firms")})
def dim_firms(
    context: dg.AssetExecutionContext,
    raw_firms: pl.LazyFrame,
    raw_store: RawStore,
    warehouse: Warehouse,
) -> Deferred:
    return _take_in(context, FIRMS, "firms", show_firms(raw_firms), raw_store, warehouse)


def _take_in(
    context: dg.AssetExecutionContext,
    dimension: Dimension,
    source: Source,
    shown: pl.LazyFrame,
    raw_store: RawStore,
    warehouse: Warehouse,
) -> Deferred:
    days = days_of_run(context)
    name = ".".join(context.asset_key.path)
    entity = source.removesuffix("s")
    known = {part: f"history.{entity}_{part}" for part in ("intervals", "snapshots")}

    def plan() -> Mapping[str, pl.LazyFrame]:
        intervals, snapshots = take_in_snapshots(
            dimension,
            warehouse.read(known["intervals"]).collect(),
            warehouse.read(known["snapshots"]).collect(),
            shown,
            raw_store.observed_days(source, DayRange(days[0], days[-1])),
            days[0],
            days[-1],
        )
        return {
            known["intervals"]: intervals.lazy(),
            known["snapshots"]: snapshots.lazy(),
            name: derive_versions(dimension, intervals, snapshots),
        }

    return Deferred(plan)


@table_asset(
    "core.user_daily_activity",
    kinds=_KINDS,
    ins={"raw_events": table_input("raw.raw_events", DROPS_OF_DAY)},
)
def user_daily_activity(context: dg.AssetExecutionContext, raw_events: pl.LazyFrame) -> Pieces:
    return Pieces(sum_activity_by_week(raw_events, days_of_run(context)))


@table_asset(
    "core.first_activity",
    kinds=_KINDS,
    ins={"user_daily_activity": table_input("core.user_daily_activity")},
)
def first_activity(
    context: dg.AssetExecutionContext, user_daily_activity: pl.LazyFrame, warehouse: Warehouse
) -> Deferred:
    days = days_of_run(context)
    name = "core.first_activity"

    def plan() -> Mapping[str, pl.LazyFrame]:
        taken_in = [day for day in warehouse.days_written(name) if day > days[-1]]
        later = warehouse.read("core.user_daily_activity").filter(pl.col("date") > days[-1])
        return {
            name: take_in_activity(
                warehouse.read(name).collect(),
                user_daily_activity,
                later.filter(pl.col("date").is_in(taken_in)),
                days[0],
                days[-1],
            )
        }

    return Deferred(plan)
