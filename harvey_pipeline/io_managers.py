"""How LazyFrames travel between assets: to and from DuckDB tables, and out of the raw store."""

import time
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

import dagster as dg
import polars as pl

from harvey_pipeline.publishing import publish
from harvey_pipeline.raw_store import RawStore
from harvey_pipeline.tables import TABLES
from harvey_pipeline.tables.labels import RAW_TABLES
from harvey_pipeline.warehouse import DayRange, Deferred, Frames, Warehouse

PUBLISHED_LATER_TAG: Final = "harvey/published_later"
"""Marks a run whose results whoever started it publishes, together with those of other runs."""


def table_name(key: dg.AssetKey) -> str:
    """The table of an asset: `<schema>.<table>`."""
    return ".".join(key.path)


def days_of(context: dg.InputContext | dg.OutputContext) -> DayRange | None:
    """The days that an input or output covers; None where they lie outside the calendar."""
    if isinstance(context, dg.InputContext) and not context.asset_partition_keys:
        return None
    keys = context.asset_partition_key_range
    return DayRange(date.fromisoformat(keys.start), date.fromisoformat(keys.end))


class WarehouseIOManager(dg.ConfigurableIOManager):
    """Assets as DuckDB tables.

    An asset returns a LazyFrame, LazyFrames in the order of their days, or a deferred plan of
    several tables; all of it is written in one transaction.
    """

    warehouse: dg.ResourceDependency[Warehouse]

    def handle_output(self, context: dg.OutputContext, obj: Frames | Deferred) -> None:
        name = table_name(context.asset_key)
        started = time.perf_counter()
        outputs = obj if isinstance(obj, Deferred) else {name: obj}
        written = self.warehouse.write(outputs, days_of(context))[name]
        context.add_output_metadata(
            {
                "dagster/row_count": written.rows,
                "seconds": round(time.perf_counter() - started, 3),
                "preview": dg.MetadataValue.md(as_markdown(written.sample)),
            }
        )

    def load_input(self, context: dg.InputContext) -> pl.LazyFrame:
        name = table_name(context.asset_key)
        if TABLES[name].day_column is None:
            return self.warehouse.read(name)
        days = days_of(context)
        return TABLES[name].empty() if days is None else self.warehouse.read(name, days)

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """After a run, whatever came of it, readers get what it committed."""
        if context.run is None or PUBLISHED_LATER_TAG not in context.run.tags:
            publish(self.warehouse)


class RawStoreIOManager(dg.ConfigurableIOManager):
    """Raw assets as lazy scans of the raw store's current files. They write by themselves."""

    raw_store: dg.ResourceDependency[RawStore]

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        raise NotImplementedError("raw assets write through the raw store")

    def load_input(self, context: dg.InputContext) -> pl.LazyFrame:
        name = table_name(context.asset_key)
        source = next(source for source, table in RAW_TABLES.items() if table == name)
        days = days_of(context)
        return TABLES[name].empty() if days is None else self.raw_store.read(source, days)


def as_markdown(rows: pl.DataFrame) -> str:
    """A table in Markdown; bars in values are escaped."""
    lines = [
        "| " + " | ".join(rows.columns) + " |",
        "|" + " --- |" * rows.width,
    ]
    for row in rows.iter_rows():
        cells = ["" if value is None else _cell(value) for value in row]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def last_row_as_markdown(rows: pl.DataFrame, descriptions: Mapping[str, str | None]) -> str:
    """The last row as a table of its own: a line per column, with what the column means."""
    if rows.is_empty():
        return as_markdown(rows)
    last = rows.row(-1, named=True)
    return as_markdown(
        pl.DataFrame(
            {
                "KPI": list(last),
                "value": ["" if value is None else _cell(value) for value in last.values()],
                "meaning": [descriptions[name] for name in last],
            }
        )
    )


def _cell(value: Any) -> str:
    text = f"{value:,.2f}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")
