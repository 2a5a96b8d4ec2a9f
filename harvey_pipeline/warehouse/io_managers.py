"""How LazyFrames travel between assets: to and from DuckDB tables."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import dagster as dg
import polars as pl

from harvey_pipeline.warehouse.commits import Basis
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.markdown import as_markdown
from harvey_pipeline.warehouse.publishing import publish_after_run
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline.warehouse.view import View
from harvey_pipeline.warehouse.warehouse import Deferred, Frames, Warehouse

PUBLISHED_LATER_TAG: Final = ".dagster/published_later"
"""Marks a run whose results whoever started it publishes, together with those of other runs.

Dagster's UI hides tags with this prefix.
"""

COLUMN_LINEAGE: Final = "dagster/column_lineage"
"""Metadata of an asset that says what its columns are made of."""


def table_name(key: dg.AssetKey) -> str:
    """The table of an asset: `<schema>.<table>`."""
    return ".".join(key.path)


def days_of(context: dg.InputContext | dg.OutputContext) -> DayRange | None:
    """The days that an input or output covers; None where they lie outside the calendar."""
    if isinstance(context, dg.InputContext) and not context.asset_partition_keys:
        return None
    keys = context.asset_partition_key_range
    return DayRange(date.fromisoformat(keys.start), date.fromisoformat(keys.end))


@dataclass(frozen=True)
class Computed:
    """What an asset computed, of which of its run's partitions, and from what."""

    days: DayRange | None
    """From the first to the last of them; None if all were left as they are."""
    rows: Frames | Deferred
    basis: Basis | None


class WarehouseIOManager(dg.IOManager):
    """Assets as DuckDB tables.

    An asset returns a LazyFrame, LazyFrames in the order of their days, or a deferred plan of
    several tables, by itself or with what it was computed from; all of it is written in one
    transaction.
    """

    def __init__(self, warehouse: Warehouse, tables: Mapping[str, Table]) -> None:
        self._warehouse = warehouse
        self._tables = tables

    def handle_output(self, context: dg.OutputContext, obj: Frames | Deferred | Computed) -> None:
        table = self._tables[table_name(context.asset_key)]
        asked = days_of(context)
        started = time.perf_counter()
        computed = obj if isinstance(obj, Computed) else Computed(asked, obj, None)
        rows = computed.rows
        metadata: dict[str, Any] = {"partitions_computed": 0, "partitions_changed": 0}
        if computed.days is not None or asked is None:
            outputs = rows if isinstance(rows, Deferred) else {table: rows}
            written = self._warehouse.write(outputs, computed.days, computed.basis)[table]
            metadata = {
                "dagster/row_count": written.rows,
                "partitions_computed": _count(table, [computed.days]),
                "partitions_changed": _count(table, written.changed),
                "preview": dg.MetadataValue.md(as_markdown(written.sample)),
            }
        context.add_output_metadata(metadata | {"seconds": round(time.perf_counter() - started, 3)})
        if table.day_column is not None and asked is not None and context.has_asset_partitions:
            for day, figures in self._figures_by_day(table, asked).items():
                context.step_context.add_asset_metadata(figures, partition_key=str(day))
        lineage = context.definition_metadata.get(COLUMN_LINEAGE)
        if lineage is not None and context.has_asset_partitions:
            # The UI reads it from the latest materialisation; of a range that is the last one.
            context.step_context.add_asset_metadata(
                {COLUMN_LINEAGE: lineage}, partition_key=context.asset_partition_keys[-1]
            )

    def _figures_by_day(self, table: Table, days: DayRange) -> dict[date, dict[str, float]]:
        """What the UI can plot of each partition: its number of rows, and its headline figures."""
        names = ["dagster/partition_row_count", *table.plotted]
        figures = "".join(f", any_value({name})" for name in table.plotted)
        rows = self._warehouse.query(
            f"select {table.day_column}, count(*){figures} from {table} "
            f"where {table.day_column} between ? and ? group by 1",
            [days.first, days.last],
            tables=[table],
        )
        empty: dict[date, dict[str, float]] = {day: {names[0]: 0} for day in table.partitions(days)}
        found = {day: dict(zip(names, values, strict=True)) for day, *values in rows}
        return {
            day: {name: value for name, value in one.items() if value is not None}
            for day, one in (empty | found).items()
        }

    def load_input(self, context: dg.InputContext) -> pl.LazyFrame:
        table = self._tables[table_name(context.asset_key)]
        if table.day_column is None:
            return self._warehouse.read(table)
        days = days_of(context)
        return table.empty() if days is None else self._warehouse.read(table, days)


def _count(table: Table, ranges: Iterable[DayRange | None]) -> int:
    return sum(table.count_partitions(one.first, one.last) for one in ranges if one is not None)


def warehouse_io_manager(
    warehouse: Warehouse, tables: Mapping[str, Table], views: Sequence[View] = ()
) -> dg.IOManagerDefinition:
    """`WarehouseIOManager` over these tables, by name, as a resource.

    After a run, whatever came of it, readers get what it committed, and the views.
    """

    def manage(context: dg.InitResourceContext) -> Iterator[WarehouseIOManager]:
        with warehouse.kept_open():
            try:
                yield WarehouseIOManager(warehouse, tables)
            finally:
                if context.run is None or PUBLISHED_LATER_TAG not in context.run.tags:
                    publish_after_run(warehouse, tables, views)

    # Dagster takes generators here, as for any resource; its annotation leaves them out.
    return dg.IOManagerDefinition(resource_fn=manage)  # type: ignore[arg-type]
