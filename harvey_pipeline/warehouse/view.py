"""Views: answers that are computed when they are asked for, in the warehouse and in its copy."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import duckdb

from harvey_pipeline.warehouse.table import Table


@dataclass(frozen=True)
class View:
    """A query with a name.

    Args:
        name: Its qualified name.
        description: What a row is, and what the view answers.
        columns: The meaning of each column, in the order of the query.
        query: SQL over tables, and views before it, by their qualified names.
        reads: The tables that it reads.
    """

    name: str
    description: str
    columns: Mapping[str, str]
    query: str
    reads: tuple[Table, ...]

    def __str__(self) -> str:
        return self.name


def digest_views(views: Iterable[View]) -> str:
    """What some views say, as a short text: other views have another."""
    said = "\0".join(
        text
        for view in views
        for text in (view.name, view.description, view.query, *map(str, view.columns.items()))
    )
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def make_views(
    connection: duckdb.DuckDBPyConnection, views: Sequence[View], database: str = ""
) -> None:
    """Make the views whose tables are there, in the warehouse or in an attached database."""
    there = {
        name
        for (name,) in connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables() "
            "where database_name = coalesce(nullif(?, ''), current_database())",
            [database],
        ).fetchall()
    }
    prefix = f"{database}." if database else ""
    for view in views:
        if not {table.name for table in view.reads} <= there:
            continue
        name = f"{prefix}{view.name}"
        connection.execute(f"create or replace view {name} as {view.query}")
        for what, told in (
            (f"view {name}", view.description),
            *((f'column {name}."{column}"', told) for column, told in view.columns.items()),
        ):
            literal = told.replace("'", "''")
            connection.execute(f"comment on {what} is '{literal}'")
