"""The tables that a report is made of, as files."""

from collections.abc import Callable, Collection
from datetime import date, timedelta
from pathlib import Path
from typing import Final, Literal

import duckdb
import polars as pl

from harvey_pipeline.agents import tables as agents
from harvey_pipeline.conversations import tables as conversations
from harvey_pipeline.engagement import tables as engagement
from harvey_pipeline.graph.assets import Reads
from harvey_pipeline.reports.contents import tables_read
from harvey_pipeline.reports.figures import Figures
from harvey_pipeline.segments import tables as segments

Form = Literal["csv", "parquet"]
FORMS: Final[tuple[Form, ...]] = ("csv", "parquet")

_TABLES: Final = {
    table.name: table
    for part in (engagement, agents, conversations, segments)
    for table in part.TABLES.values()
}
_ENTITIES: Final = frozenset({"user_id", "firm_id", "tenant_id", "agent_id"})


def export_tables(
    connection: duckdb.DuckDBPyConnection,
    day: date,
    subjects: Collection[str],
    folder: Path,
    form: Form,
    tell: Callable[[str], None] = lambda _: None,
) -> list[Path]:
    """Write a file for each table that the report of a day reads.

    A table with a row for each user, firm or agent is written of that day alone, any other one with
    the days before it that the report shows.

    Raises:
        OSError: A file cannot be written.
    """
    figures = Figures(connection, day)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for one in tables_read(subjects):
        if one.table not in figures.tables:
            continue
        tell(one.table)
        df = _rows(figures, one)
        path = folder / f"{one.table}.{form}"
        if form == "csv":
            # A list in a cell of CSV is its parts, separated as nothing in them is.
            lists = [name for name, kind in df.schema.items() if isinstance(kind, pl.List)]
            df.with_columns(
                pl.col(name).cast(pl.List(pl.String)).list.join("; ") for name in lists
            ).write_csv(path)
        else:
            df.write_parquet(path)
        written.append(path)
    return written


def _rows(figures: Figures, one: Reads) -> pl.DataFrame:
    # Names of tables and columns are the package's own.
    table = _TABLES[one.table]
    where = ""
    if table.day_column is not None:
        where = f"where {table.day_column} between $first and $day"
    before = 0 if _ENTITIES & table.polars_schema.keys() else one.before
    return figures.rows(
        f"select * from {table} {where} order by all", first=figures.day - timedelta(days=before)
    )
