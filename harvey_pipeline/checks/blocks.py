"""Reading what is checked: whole days at a time, as many as fit into one block."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, Final

import duckdb
import polars as pl

from harvey_pipeline.checks.report import Check, Report
from harvey_pipeline.warehouse.days import blocks_of_rows
from harvey_pipeline.warehouse.table import Table

BLOCK_BYTES: Final = 16 * 2**20
"""Bytes of rows held at a time; a single day is never cut.

What judges a block takes several times as much beside it.
"""

_SAMPLED_ROWS: Final = 2_000
"""From so many rows is judged how many of them fit into a block."""

_EXAMPLES: Final = 5


def read_blocks(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    days: Sequence[date],
    columns: Sequence[str] = (),
) -> Iterator[pl.DataFrame]:
    """The rows of some days in blocks of whole days, labels as plain text; at least one frame."""
    listed = ", ".join(f'"{column}"' for column in columns) or "*"
    rows = f"select {listed} from {table.name}"
    if table.day_column is None or not days:
        where = "" if table.day_column is None else " where false"
        yield connection.sql(f"{rows}{where}").pl()
        return
    rows_per_day = dict(
        connection.execute(
            f"select {table.day_column}, count(*) from {table.name} "
            f"where {within(table.day_column, days)} group by 1"
        ).fetchall()
    )
    fitting = _rows_that_fit(connection, f"{rows} where {within(table.day_column, days)}")
    for block in blocks_of_rows(days, rows_per_day, fitting):
        where = within(table.day_column, block)
        yield connection.sql(f"{rows} where {where}").pl()


def _rows_that_fit(connection: duckdb.DuckDBPyConnection, rows: str) -> int:
    """How many rows of an SQL query a block may have, by the size of a few of them."""
    sample: pl.DataFrame = connection.sql(f"{rows} limit {_SAMPLED_ROWS}").pl()
    return BLOCK_BYTES * sample.height // max(1, int(sample.estimated_size()))


def within(column: str, days: Sequence[date]) -> str:
    """An SQL condition: the column lies between the first and the last of the days."""
    if not days:
        return "false"
    return f"{column} between date '{days[0]}' and date '{days[-1]}'"


def add_failing_rows(
    report: Report,
    check: Check,
    connection: duckdb.DuckDBPyConnection,
    failing: str,
    parameters: Sequence[Any] = (),
) -> None:
    """Report the rows of an SQL query, whose first column is the day, as a check's findings.

    However many they are, only their number by day and a few of them are fetched.
    """
    day = connection.sql(f"select * from ({failing}) limit 0", params=list(parameters)).columns[0]
    counts: dict[date | None, int] = dict(
        connection.execute(
            f'select "{day}", count(*) from ({failing}) group by 1', list(parameters)
        ).fetchall()
    )
    limit = _EXAMPLES if counts else 0
    examples = connection.sql(
        f"select * from ({failing}) order by all limit {limit}", params=list(parameters)
    ).pl()
    report.add(check, examples, counts=counts)
