"""From what computes a table to Dagster's asset, which computes the partitions of a run.

A run that was asked for what is due computes, of each table, just the partitions that are due when
their turn has come: what its inputs left unchanged is left alone.
"""

import inspect
from collections.abc import Callable, Collection, Mapping
from datetime import date
from itertools import takewhile
from typing import Any, Final

import dagster as dg
import polars as pl

from harvey_pipeline.graph.assets import (
    Reads,
    ReadsSums,
    TableAsset,
    are_checks_selected,
    asset_key,
    declare_asset,
)
from harvey_pipeline.graph.due import due_partitions, out_of_reach, versions_of_asset
from harvey_pipeline.graph.lineage import Lineage
from harvey_pipeline.graph.partitions import Partitions
from harvey_pipeline.landing.raw_store import RawStore
from harvey_pipeline.landing.source import Source
from harvey_pipeline.landing.sums import SumsOfDays
from harvey_pipeline.warehouse.commits import Basis
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.io_managers import Computed
from harvey_pipeline.warehouse.retention import days_taken_out, outside_days
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline.warehouse.warehouse import Warehouse, WarehouseError

DUE_TAG: Final = "harvey/due"
"""Marks a run that computes of its partitions only what is due."""


def build_asset(
    asset: TableAsset,
    subject: str,
    partitions: Partitions,
    tables: Mapping[str, Table],
    sources: Mapping[str, Source],
    lineage: Lineage | None = None,
) -> dg.AssetsDefinition:
    """Dagster's asset of what computes a subject's table.

    `tables` are all tables by name, `sources` the sources by the names of their raw tables,
    `lineage` is what its columns are made of.
    """

    def materialise(
        context: dg.AssetExecutionContext, warehouse: Warehouse, raw_store: RawStore
    ) -> Computed:
        generation = warehouse.generation()
        asked = [date.fromisoformat(key) for key in context.partition_keys]
        days = asked
        gone = out_of_reach(asset, asked, days_taken_out(warehouse))
        if is_due_run(context):
            due = due_partitions(asset, asked, tables, warehouse, raw_store)
            days = _first_stretch(_hull(asked, due.keys() - gone), gone)
        elif gone:
            raise _out_of_reach_error(asset, gone, warehouse)
        if not days:
            return Computed(None, asset.table.empty(), Basis(generation, {}))
        basis = Basis(
            generation,
            versions_of_asset(asset, days, raw_store),
            awaits_checks=are_checks_selected(context, asset.table),
        )
        inputs: dict[str, Any] = {
            name: _read(one, days, asset.table, tables, sources, warehouse, raw_store)
            for name, one in asset.inputs.items()
        }
        resources = {
            "warehouse": warehouse,
            "raw_store": raw_store,
            "calendar": partitions.calendar,
            "context": context,
        }
        wanted = _parameters(asset.compute)
        given = {name: one for name, one in resources.items() if name in wanted}
        rows = asset.compute(days=days, **inputs, **given)
        return Computed(DayRange(days[0], days[-1]), rows, basis)

    return declare_asset(
        asset.table,
        subject,
        partitions,
        deps=[
            dg.AssetDep(asset_key(one.table), partition_mapping=_mapping(asset.table, one, tables))
            for one in asset.upstream
        ],
        code_version=asset.version,
        code=asset.compute,
        lineage=lineage,
    )(materialise)


def is_due_run(context: dg.AssetExecutionContext) -> bool:
    """Whether a run was asked for what is due, and not for all of its partitions."""
    return DUE_TAG in context.run.tags


def _out_of_reach_error(
    asset: TableAsset, days: Collection[date], warehouse: Warehouse
) -> WarehouseError:
    """Why days cannot be computed, and what to do."""
    outside = out_of_reach(asset, days, outside_days(warehouse))
    if outside:
        return WarehouseError(
            f"{asset.table} of {min(outside)}{' and other days' * (len(outside) > 1)} is kept no "
            f"longer, or rests on what is not: `harvey retain` has deleted it. Run later days; "
            f"`harvey run` without --all leaves such days as they are."
        )
    months = sorted({f"{day:%Y-%m}" for day in days})
    return WarehouseError(
        f"{asset.table} of {', '.join(months)} is archived, or rests on what is. Bring it back "
        "first: " + "; ".join(f"harvey archive --restore {month}" for month in months)
    )


def _first_stretch(days: list[date], gone: Collection[date]) -> list[date]:
    """The days up to the first one that is not to be computed; the rest stays due."""
    return list(takewhile(lambda day: day not in gone, days))


def _hull(asked: list[date], due: Collection[date]) -> list[date]:
    """The partitions from the first to the last that is due."""
    return [day for day in asked if min(due) <= day <= max(due)] if due else []


def _parameters(compute: Callable[..., Any]) -> set[str]:
    return set(inspect.signature(compute).parameters)


def _read(
    one: Reads,
    days: list[date],
    own: Table,
    tables: Mapping[str, Table],
    sources: Mapping[str, Source],
    warehouse: Warehouse,
    raw_store: RawStore,
) -> pl.LazyFrame | SumsOfDays:
    """What some partitions read of a table."""
    first, last = (
        one.days_of_month(day) if own.is_monthly else one.days_of(day)
        for day in (days[0], days[-1])
    )
    window = DayRange(first.first, last.last)
    if isinstance(one, ReadsSums):
        return raw_store.sums(one.sums, window)
    if one.table in sources:
        return raw_store.read(sources[one.table], window)
    return warehouse.read(tables[one.table], window)


def _mapping(own: Table, one: Reads, tables: Mapping[str, Table]) -> dg.PartitionMapping | None:
    if not (one.has_window or own.is_monthly):
        return None
    if tables[one.table].is_monthly and not own.is_monthly:
        # Dagster shifts windows between partitions of one kind only: a day reads its month.
        return None
    return dg.TimeWindowPartitionMapping(
        start_offset=-one.before,
        end_offset=one.after,
        allow_nonexistent_upstream_partitions=True,
    )
