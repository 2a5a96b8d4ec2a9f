"""What every table asset has in common, said once, and how it is wired to what it reads."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final

import dagster as dg

from harvey_pipeline.graph.partitions import Partitions
from harvey_pipeline.warehouse.days import DayRange, last_day, month_before, next_month
from harvey_pipeline.warehouse.table import Table

OWNERS: Final = ("team:product-analytics",)
KINDS: Final = frozenset({"polars", "duckdb"})

DaysRead = Callable[[date], Iterable[date]]
"""Which days a day, or a month by its first day, rests on."""


@dataclass(frozen=True)
class Reads:
    """What an asset reads of a table: its own partition, and so many before and after it.

    Partitions are days; those of a table by months are months, also where it reads days.
    """

    table: str
    before: int = 0
    after: int = 0

    @property
    def has_window(self) -> bool:
        return self.before > 0 or self.after > 0

    def days_of(self, day: date) -> DayRange:
        """The days that a day reads."""
        return DayRange(day - timedelta(days=self.before), day + timedelta(days=self.after))

    def days_of_month(self, month: date) -> DayRange:
        """The days that a month, by its first day, reads."""
        first, last = month, month
        for _ in range(self.before):
            first = month_before(first)
        for _ in range(self.after):
            last = next_month(last)
        return DayRange(first, last_day(last))


def reads(table: Table | str, *, before: int = 0, after: int = 0) -> Reads:
    """An upstream table, by itself or by its name, as an input."""
    return Reads(str(table), before, after)


@dataclass(frozen=True)
class TableAsset:
    """An asset that computes a table, whose partitions are only known with the calendar."""

    table: Table
    compute: Callable[..., Any]
    inputs: Mapping[str, Reads] = field(default_factory=dict)
    after: Sequence[Reads] = ()
    """Tables that it does not take as inputs, and yet depends on."""
    windows: Mapping[str, DaysRead | None] = field(default_factory=dict)
    """Which days of a table a partition rests on, where the inputs do not say all; None: all
    days up to its own."""

    @property
    def upstream(self) -> tuple[Reads, ...]:
        """All that it reads or waits for."""
        return (*self.inputs.values(), *self.after)

    def build(self, partitions: Partitions) -> dg.AssetsDefinition:
        """Dagster's asset."""
        return declare_asset(
            self.table,
            partitions,
            ins={
                name: dg.AssetIn(key=asset_key(one.table), partition_mapping=self._mapping(one))
                for name, one in self.inputs.items()
            },
            deps=[
                dg.AssetDep(asset_key(one.table), partition_mapping=self._mapping(one))
                for one in self.after
            ],
        )(self.compute)

    def _mapping(self, one: Reads) -> dg.PartitionMapping | None:
        if not (one.has_window or self.table.is_monthly):
            return None
        return dg.TimeWindowPartitionMapping(
            start_offset=-one.before,
            end_offset=one.after,
            allow_nonexistent_upstream_partitions=True,
        )


def table_asset(
    table: Table,
    inputs: Mapping[str, Reads],
    *,
    after: Sequence[Reads] = (),
    windows: Mapping[str, DaysRead | None] | None = None,
) -> Callable[[Callable[..., Any]], TableAsset]:
    """Make an asset of a function: what it computes, and what its parameters read."""
    return lambda compute: TableAsset(table, compute, inputs, after, windows or {})


def declare_asset(
    table: Table,
    partitions: Partitions,
    *,
    kinds: Iterable[str] = KINDS,
    ins: Mapping[str, dg.AssetIn] | None = None,
    deps: Sequence[dg.AssetDep] = (),
    io_manager_key: str = "warehouse_io",
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Dagster's asset for a table, by days or by months: a range of them is one run."""
    return dg.asset(
        name=table.own_name,
        key_prefix=table.schema_name,
        group_name=table.schema_name,
        ins=ins,
        deps=list(deps),
        description=table.description,
        metadata={"dagster/column_schema": column_schema(table), "dagster/table_name": table.name},
        kinds=set(kinds),
        owners=list(OWNERS),
        partitions_def=partitions.monthly if table.is_monthly else partitions.daily,
        backfill_policy=dg.BackfillPolicy.single_run(),
        io_manager_key=io_manager_key,
    )


def asset_key(table: Table | str) -> dg.AssetKey:
    return dg.AssetKey(str(table).split("."))


def column_schema(table: Table) -> dg.TableSchema:
    """Columns, types and descriptions as the UI shows them."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=name,
                type=type_name(column.dtype),
                description=column.description,
                constraints=dg.TableColumnConstraints(nullable=column.nullable),
            )
            for name, column in table.schema.columns().items()
        ]
    )


def type_name(dtype: Any) -> str:
    """A column's type in a word: labels are text."""
    return "String" if str(dtype).startswith("Enum") else str(dtype)


def days_of_run(context: dg.AssetExecutionContext) -> list[date]:
    """The days (or months, by their first days) that an asset materialises, ascending."""
    return [date.fromisoformat(key) for key in context.partition_keys]
