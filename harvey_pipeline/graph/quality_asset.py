"""Data quality over time: an asset over whichever sources a subject has."""

from collections.abc import Mapping
from datetime import date

import polars as pl

from harvey_pipeline.graph.assets import Reads, TableAsset, reads
from harvey_pipeline.history import Dimension, begin_of_keys
from harvey_pipeline.landing.quality_daily import judge_deliveries
from harvey_pipeline.landing.source import Source
from harvey_pipeline.settings import QualitySettings
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline.warehouse.warehouse import Pieces, Warehouse


def quality_asset(
    table: Table,
    sources: tuple[Source, ...],
    references: Mapping[str, Mapping[str, Dimension]],
    limits: QualitySettings,
) -> TableAsset:
    """The asset of a table whose schema is `DataQualityDaily`.

    Args:
        table: Where it is stored, by the day of the drop.
        sources: Whose deliveries it tells of.
        references: By source, the columns that name a key of a dimension: accepted records whose
            key has no version yet are orphaned.
        limits: The thresholds of the levels.

    Raises:
        ValueError: A column refers to a dimension whose key has several columns.
    """
    of_rows = {one.name: one for one in sources if not one.is_snapshot}
    inputs: dict[str, Reads] = {name: reads(one.table) for name, one in of_rows.items()}
    for name, columns in references.items():
        for column, dimension in columns.items():
            if len(dimension.key) != 1:
                raise ValueError(f"{name}: {column} cannot name a key of {dimension.table}")
            before = inputs.get(dimension.table.name, reads(dimension.table)).before
            late_days = max(before, of_rows[name].late_days)
            inputs[dimension.table.name] = reads(dimension.table, before=late_days)

    def judge(days: list[date], warehouse: Warehouse, **frames: pl.LazyFrame) -> Pieces:
        begins = {
            name: {
                column: begin_of_keys(dimension, frames[dimension.table.name])
                for column, dimension in columns.items()
            }
            for name, columns in references.items()
        }
        rows = {name: frames[name] for name in of_rows}
        return Pieces(judge_deliveries(warehouse, sources, days, rows, begins, limits))

    return TableAsset(
        table,
        judge,
        inputs,
        after=tuple(reads(one.table) for one in sources if one.is_snapshot),
        ledger_of=sources,
        code=(judge_deliveries, begin_of_keys),
    )
