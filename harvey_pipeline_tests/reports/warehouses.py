"""Small warehouses in memory, with the rows that a test is about."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import duckdb
import polars as pl

from harvey_pipeline.reports.figures import Figures
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline.warehouse.warehouse import table_ddl


def figures_over(tables: Mapping[Table, Sequence[Mapping[str, Any]]], day: date) -> Figures:
    """Figures of a day over tables with these rows; columns that a row does not give are neutral.

    Null where a column may be null, else 0, false, nothing, the first label.
    """
    connection = duckdb.connect()
    for table, rows in tables.items():
        make_table(connection, table, rows)
    return Figures(connection, day)


def make_table(
    connection: duckdb.DuckDBPyConnection, table: Table, rows: Sequence[Mapping[str, Any]]
) -> None:
    """A table with these rows; columns that a row does not give are neutral."""
    connection.execute(f"create schema if not exists {table.schema_name}")
    for statement in table_ddl(table, table.name):
        connection.execute(statement)
    columns = table.schema.columns()
    filled = [
        {
            name: row.get(name, None if column.nullable else _neutral(column.dtype))
            for name, column in columns.items()
        }
        for row in rows
    ]
    unknown = {name for row in rows for name in row} - columns.keys()
    assert not unknown, f"{table} has no {unknown}"
    df = pl.DataFrame(filled, schema=table.polars_schema, orient="row")  # noqa: F841
    connection.execute(f"insert into {table.name} by name select * from df")


def _neutral(dtype: pl.DataType) -> Any:
    if isinstance(dtype, pl.Enum):
        return dtype.categories[0]
    if dtype == pl.Date:
        return date(2000, 1, 1)
    if isinstance(dtype, pl.Datetime):
        return datetime(2000, 1, 1)
    if dtype == pl.Boolean:
        return False
    if isinstance(dtype, pl.List):
        return []
    return "" if dtype == pl.String else 0
