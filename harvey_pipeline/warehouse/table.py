"""What a table is: a schema, and how it is cut into partitions.

A schema's docstring is the table's description and opens with its grain. From it come the DuckDB
table and its comments, Dagster's column metadata, the contract check and the reference page.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import dataframely as dy
import polars as pl

from harvey_pipeline.warehouse.days import DayRange, consecutive_days, months_of, next_month


@dataclass(frozen=True)
class Keep:
    """For how many days rows are kept, the last one included; those of Mondays perhaps longer."""

    days: int
    mondays: int | None = None


@dataclass(frozen=True)
class Table:
    """Where a schema is stored; as text, and so in SQL, it is its qualified name.

    `day_column` names the column by which a table is cut into slices, a day each (or, where
    `is_monthly`, a calendar month each, by its first day); a table without one is replaced whole.
    `plotted` are columns that say something of a whole day, of a table with a row for each.
    `persons` are the columns that hold a person's id or e-mail address: in the first one that of
    the person whose row it is, in further ones that of others, who can be blank. `persons_if` is
    an SQL condition on the rows of which the first one holds a person's, where not all do.
    `blanked` are the columns that go where a person is erased whose row stays; else it goes.
    `keep` is for how long its days are kept, where that is not as for all tables with people, or
    all without.
    `key_columns` is the key where a column of it may be null, which a schema cannot say of a
    primary key.
    """

    name: str
    schema: type[dy.Schema]
    day_column: str | None = None
    key_columns: tuple[str, ...] = ()
    is_monthly: bool = False
    plotted: tuple[str, ...] = ()
    persons: tuple[str, ...] = ()
    persons_if: str = "true"
    blanked: tuple[str, ...] = ()
    keep: Keep | None = None

    def __str__(self) -> str:
        return self.name

    @property
    def schema_name(self) -> str:
        """The DuckDB schema, which is the asset's group too."""
        return self.name.partition(".")[0]

    @property
    def own_name(self) -> str:
        """The name within the schema."""
        return self.name.partition(".")[2]

    @property
    def description(self) -> str:
        return " ".join((self.schema.__doc__ or "").split())

    @cached_property
    def polars_schema(self) -> dict[str, pl.DataType]:
        return {name: column.dtype for name, column in self.schema.columns().items()}

    @property
    def key(self) -> list[str]:
        return list(self.key_columns) or self.schema.primary_key()

    def count_partitions(self, first: date, last: date) -> int:
        """How many days, or months, lie between two of them, both counted."""
        if self.is_monthly:
            return (last.year - first.year) * 12 + last.month - first.month + 1
        return (last - first).days + 1

    def partitions(self, days: DayRange) -> list[date]:
        """The days of a range, or the first days of the months of which the first lies in it."""
        if self.is_monthly:
            return [day for day in months_of(days.first, days.last) if day >= days.first]
        return days.days

    def ranges(self, partitions: Iterable[date]) -> list[DayRange]:
        """Partitions as ranges without a gap, ascending."""
        if not self.is_monthly:
            return consecutive_days(partitions)
        ranges: list[DayRange] = []
        for month in sorted(partitions):
            if ranges and next_month(ranges[-1].last) == month:
                ranges[-1] = DayRange(ranges[-1].first, month)
            else:
                ranges.append(DayRange(month, month))
        return ranges

    def within(self, days: DayRange) -> str:
        """An SQL condition: a row is dated within a range, of a table that is cut into slices."""
        return f"{self.day_column} between date '{days.first}' and date '{days.last}'"

    def empty(self) -> pl.LazyFrame:
        return pl.LazyFrame(schema=self.polars_schema)
