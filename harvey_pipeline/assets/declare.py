"""What every table asset has in common, said once."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Final

import dagster as dg

from harvey_pipeline.partitions import DAILY, MONTHLY
from harvey_pipeline.tables import TABLES, Table

OWNERS: Final = ("team:product-analytics",)


def table_asset(
    name: str,
    *,
    kinds: set[str],
    ins: Mapping[str, dg.AssetIn] | None = None,
    deps: list[dg.AssetDep] | None = None,
    io_manager_key: str = "warehouse_io",
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """An asset for a table of `tables/`, by days or by months: a range of them is one run."""
    schema, _, table_name = name.partition(".")
    table = TABLES[name]
    return dg.asset(
        name=table_name,
        key_prefix=schema,
        group_name=schema,
        ins=ins,
        deps=deps,
        description=table.description,
        metadata={"dagster/column_schema": column_schema(table), "dagster/table_name": name},
        kinds=kinds,
        owners=list(OWNERS),
        partitions_def=MONTHLY if table.is_monthly else DAILY,
        backfill_policy=dg.BackfillPolicy.single_run(),
        io_manager_key=io_manager_key,
    )


def table_input(name: str, mapping: dg.PartitionMapping | None = None) -> dg.AssetIn:
    """An upstream table as an input."""
    return dg.AssetIn(key=asset_key(name), partition_mapping=mapping)


def asset_key(name: str) -> dg.AssetKey:
    return dg.AssetKey(name.split("."))


def column_schema(table: Table) -> dg.TableSchema:
    """Columns, types and descriptions as the UI shows them."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=name,
                type=str(column.dtype) if not _is_label(column.dtype) else "String",
                description=column.description,
                constraints=dg.TableColumnConstraints(nullable=column.nullable),
            )
            for name, column in table.schema.columns().items()
        ]
    )


def _is_label(dtype: Any) -> bool:
    return str(dtype).startswith("Enum")


def days_of_run(context: dg.AssetExecutionContext) -> list[date]:
    """The days (or months, by their first days) that an asset materialises, ascending."""
    return [date.fromisoformat(key) for key in context.partition_keys]
