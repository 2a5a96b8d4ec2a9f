"""How LazyFrames travel between assets: to and from DuckDB tables."""

import time
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Final

import dagster as dg
import polars as pl

from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.markdown import as_markdown
from harvey_pipeline.warehouse.publishing import publish_after_run
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline.warehouse.warehouse import Deferred, Frames, Warehouse

PUBLISHED_LATER_TAG: Final = ".dagster/published_later"
"""Marks a run whose results whoever started it publishes, together with those of other runs.

Dagster's UI hides tags with this prefix.
"""


def table_name(key: dg.AssetKey) -> str:
    """The table of an asset: `<schema>.<table>`."""
    return ".".join(key.path)


def days_of(context: dg.InputContext | dg.OutputContext) -> DayRange | None:
    """The days that an input or output covers; None where they lie outside the calendar."""
    if isinstance(context, dg.InputContext) and not context.asset_partition_keys:
        return None
    keys = context.asset_partition_key_range
    return DayRange(date.fromisoformat(keys.start), date.fromisoformat(keys.end))


class WarehouseIOManager(dg.IOManager):
    """Assets as DuckDB tables.

    An asset returns a LazyFrame, LazyFrames in the order of their days, or a deferred plan of
    several tables; all of it is written in one transaction.
    """

    def __init__(self, warehouse: Warehouse, tables: Mapping[str, Table]) -> None:
        self._warehouse = warehouse
        self._tables = tables

    def handle_output(self, context: dg.OutputContext, obj: Frames | Deferred) -> None:
        table = self._tables[table_name(context.asset_key)]
        started = time.perf_counter()
        outputs = obj if isinstance(obj, Deferred) else {table: obj}
        written = self._warehouse.write(outputs, days_of(context))[table]
        context.add_output_metadata(
            {
                "dagster/row_count": written.rows,
                "seconds": round(time.perf_counter() - started, 3),
                "preview": dg.MetadataValue.md(as_markdown(written.sample)),
            }
        )

    def load_input(self, context: dg.InputContext) -> pl.LazyFrame:
        table = self._tables[table_name(context.asset_key)]
        if table.day_column is None:
            return self._warehouse.read(table)
        days = days_of(context)
        return table.empty() if days is None else self._warehouse.read(table, days)


def warehouse_io_manager(
    warehouse: Warehouse, tables: Mapping[str, Table]
) -> dg.IOManagerDefinition:
    """`WarehouseIOManager` over these tables, by name, as a resource.

    After a run, whatever came of it, readers get what it committed.
    """

    def manage(context: dg.InitResourceContext) -> Iterator[WarehouseIOManager]:
        with warehouse.kept_open():
            try:
                yield WarehouseIOManager(warehouse, tables)
            finally:
                if context.run is None or PUBLISHED_LATER_TAG not in context.run.tags:
                    publish_after_run(warehouse, tables)

    # Dagster takes generators here, as for any resource; its annotation leaves them out.
    return dg.IOManagerDefinition(resource_fn=manage)  # type: ignore[arg-type]
