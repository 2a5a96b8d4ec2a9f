"""What a report reads: tables of the warehouse, or of its published copy, up to a day."""

from collections.abc import Mapping
from datetime import date, timedelta
from functools import cached_property
from typing import Any, Final

import duckdb
import polars as pl

from harvey_pipeline.reports.page import Cell, Figure, Unit

_VOLUMES: Final = "marts.daily_event_summary"


class Figures:
    """Reads by query, of a day and the days before it.

    Args:
        connection: The warehouse, or its published copy.
        day: The last day that is shown.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, day: date) -> None:
        self._connection = connection
        self.day = day

    def rows(self, query: str, **parameters: Any) -> pl.DataFrame:
        """What a query gives. `$day` is the report's day; other parameters go by their names."""
        given = {"day": self.day} | parameters
        used = {name: value for name, value in given.items() if f"${name}" in query}
        found: pl.DataFrame = self._connection.sql(query, params=used).pl()
        return found

    @cached_property
    def tables(self) -> frozenset[str]:
        """Names of the tables and views that there are, `<schema>.<table>`."""
        found = self._connection.execute(
            "select table_schema || '.' || table_name from information_schema.tables"
        ).fetchall()
        return frozenset(name for (name,) in found)

    def has_rows(self, table: str, column: str = "date") -> bool:
        """Whether a table is there and has a row of the day."""
        if table not in self.tables:
            return False
        return not self.rows(
            f"select 1 as one from {table} where {column} = $day limit 1"
        ).is_empty()

    def back(self, days: int) -> date:
        """So many days before the report's day."""
        return self.day - timedelta(days=days)

    @cached_property
    def news_day(self) -> date:
        """The latest day that is no cut-off day: its volume is usual, or not known to be unusual.

        It is the report's day where there is no such day, or nothing is known of volumes.
        """
        if _VOLUMES not in self.tables:
            return self.day
        found = self.rows(
            f"select max(date) as day from {_VOLUMES}"
            " where date <= $day and is_volume_usual is distinct from false"
        )["day"][0]
        return found or self.day

    @cached_property
    def incomplete_days(self) -> pl.DataFrame:
        """The days up to the report's that are not complete: `date`, `reason`."""
        if _VOLUMES not in self.tables:
            return pl.DataFrame(schema={"date": pl.Date, "reason": pl.String})
        return self.rows(
            "select date, case when not is_covered then 'not delivered'"
            " else 'volume is unusual for the weekday' end as reason"
            f" from {_VOLUMES}"
            " where date <= $day and (not is_covered or is_volume_usual = false)"
            " order by date"
        )


def figure_of(row: Mapping[str, Any], column: str, unit: Unit, table: str, *key: str) -> Figure:
    """A cell of a row as it stands, with where it stands; `key` are the key's columns."""
    return Figure(row[column], unit, Cell(table, column, {name: str(row[name]) for name in key}))
