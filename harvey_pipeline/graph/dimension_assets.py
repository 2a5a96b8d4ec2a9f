"""Dimensions with history: each takes in its source's snapshots and derives its versions."""

from collections.abc import Mapping
from datetime import date
from functools import partial

import polars as pl

from harvey_pipeline.graph.assets import TableAsset, reads
from harvey_pipeline.history import (
    Dimension,
    days_between_versions,
    derive_versions,
    take_in_snapshots,
)
from harvey_pipeline.landing.raw_store import RawStore
from harvey_pipeline.landing.source import Source
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline.warehouse.warehouse import Deferred, Warehouse


def dimension_asset(dimension: Dimension, source: Source) -> TableAsset:
    """The asset of a dimension over the raw snapshots of its source."""

    def take_in(
        days: list[date],
        raw_snapshots: pl.LazyFrame,
        raw_store: RawStore,
        warehouse: Warehouse,
    ) -> Deferred:
        def plan() -> Mapping[Table, pl.LazyFrame]:
            intervals, snapshots = take_in_snapshots(
                dimension,
                warehouse.read(dimension.intervals).collect(),
                warehouse.read(dimension.snapshots).collect(),
                dimension.show(raw_snapshots),
                raw_store.observed_days(source, DayRange(days[0], days[-1])),
                days[0],
                days[-1],
            )
            return {
                dimension.intervals: intervals.lazy(),
                dimension.snapshots: snapshots.lazy(),
                dimension.table: derive_versions(dimension, intervals, snapshots),
            }

        return Deferred(plan, {dimension.table: partial(days_between_versions, dimension)})

    return TableAsset(
        dimension.table,
        take_in,
        {"raw_snapshots": reads(source.table)},
        code=(take_in_snapshots, derive_versions, dimension),
    )
