"""What every table asset has in common, said once, and how it is wired to what it reads."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import dagster as dg

from harvey_pipeline.code_versions import digest_code
from harvey_pipeline.graph.lineage import Lineage
from harvey_pipeline.graph.partitions import Partitions
from harvey_pipeline.landing.ledger import drops_of
from harvey_pipeline.landing.source import Source
from harvey_pipeline.landing.sums import EventSums
from harvey_pipeline.warehouse.days import DayRange, last_day, month_before, next_month
from harvey_pipeline.warehouse.io_managers import COLUMN_LINEAGE
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline.warehouse.warehouse import Deferred, Frames

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
    is_all_before: bool = False
    """Whether it rests on every earlier partition too, however far back."""

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

    def readers_of(self, changed: date, *, is_monthly: bool) -> DayRange:
        """The days (or months, by their first days) that read a day."""
        if not is_monthly:
            last = date.max if self.is_all_before else changed + timedelta(days=self.before)
            return DayRange(changed - timedelta(days=self.after), last)
        first = last = changed.replace(day=1)
        for _ in range(self.after):
            first = month_before(first)
        for _ in range(self.before):
            last = next_month(last)
        return DayRange(first, date.max if self.is_all_before else last)


@dataclass(frozen=True)
class ReadsSums(Reads):
    """What an asset reads of a raw table: no rows, but their sums, as `SumsOfDays`."""

    sums: EventSums = field(kw_only=True)


def reads_sums(sums: EventSums) -> ReadsSums:
    """The sums of the events of a partition's days, whichever drops deliver them."""
    return ReadsSums(sums.source.table.name, after=sums.source.late_days, sums=sums)


def reads(
    table: Table | str, *, before: int = 0, after: int = 0, is_all_before: bool = False
) -> Reads:
    """An upstream table, by itself or by its name, as an input."""
    return Reads(str(table), before, after, is_all_before)


@dataclass(frozen=True)
class TableAsset:
    """What computes a table, for any range of its partitions.

    `compute` takes `days`, the partitions (days, or first days of months, ascending), each of its
    inputs by name as a LazyFrame, or `SumsOfDays`, of all days that these read, and `warehouse`,
    `raw_store`, `calendar` or `context`, Dagster's, where it names them. What it returns goes into
    the table.
    """

    table: Table
    compute: Callable[..., Frames | Deferred]
    inputs: Mapping[str, Reads] = field(default_factory=dict)
    after: Sequence[Reads] = ()
    """Tables that it does not take as inputs, and yet depends on."""
    windows: Mapping[str, DaysRead | None] = field(default_factory=dict)
    """Which days of a table a partition rests on, where the inputs do not say all; None: all
    days up to its own."""
    covered_by: Source | None = None
    """A source whose last covered day, up to a partition's own last, it depends on."""
    ledger_of: tuple[Source, ...] = ()
    """The sources of which it reads the ledger and quarantine, too, of its own days: what changes
    there need not change a raw row."""
    beside: tuple[Table, ...] = ()
    """Tables by day, written by commands and not by assets, of which it reads its own days."""
    code: tuple[Any, ...] = ()
    """What it computes by besides `compute`, where that is made for many tables."""

    @property
    def upstream(self) -> tuple[Reads, ...]:
        """All that it reads or waits for."""
        return (*self.inputs.values(), *self.after)

    @cached_property
    def ledgers(self) -> Mapping[str, Table]:
        """The parts of the ledger that it reads, by name."""
        return {one.name: one for one in (drops_of(source.name) for source in self.ledger_of)}

    @cached_property
    def watched(self) -> tuple[Reads, ...]:
        """All whose changes make it out of date."""
        return (*self.upstream, *map(reads, self.ledgers), *map(reads, self.beside))

    @cached_property
    def version(self) -> str:
        """A digest of what computes it: its transform, its table, and what it reads of which."""
        return digest_code(self.compute, *self.code, self.table, self.inputs, plumbing=_PLUMBING)


_PLUMBING: Final = tuple(
    f"harvey_pipeline.{room}" for room in ("checks", "cli", "graph", "landing.readers", "warehouse")
)
"""Code that moves rows and does not make them."""


def table_asset(
    table: Table,
    inputs: Mapping[str, Reads],
    *,
    after: Sequence[Reads] = (),
    windows: Mapping[str, DaysRead | None] | None = None,
    covered_by: Source | None = None,
    beside: tuple[Table, ...] = (),
) -> Callable[[Callable[..., Frames | Deferred]], TableAsset]:
    """Make an asset of a function: what it computes, and what its parameters read."""
    return lambda compute: TableAsset(
        table, compute, inputs, after, windows or {}, covered_by, beside=beside
    )


def declare_asset(
    table: Table,
    subject: str,
    partitions: Partitions,
    *,
    kinds: Iterable[str] = KINDS,
    deps: Sequence[dg.AssetDep] = (),
    io_manager_key: str = "warehouse_io",
    code_version: str | None = None,
    code: Callable[..., Any] | None = None,
    lineage: Lineage | None = None,
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Dagster's asset for a subject's table, by days or by months: a range of them is one run.

    `code` is what a reader of the asset wants to see, `code_version` a digest of it.
    """
    metadata: dict[str, Any] = {
        "dagster/column_schema": column_schema(table),
        "dagster/table_name": table.name,
    }
    if code is not None:
        metadata["dagster/code_references"] = _reference_to(code)
    if lineage is not None:
        metadata[COLUMN_LINEAGE] = lineage.metadata
    return dg.asset(
        name=table.own_name,
        key_prefix=table.schema_name,
        group_name=table.schema_name,
        deps=list(deps),
        code_version=code_version,
        description=table.description,
        metadata=metadata,
        freshness_policy=None if table.schema_name == "raw" else partitions.freshness(table),
        kinds=set(kinds),
        owners=list(OWNERS),
        tags={"subject": subject, "partitions": "months" if table.is_monthly else "days"},
        partitions_def=partitions.monthly if table.is_monthly else partitions.daily,
        backfill_policy=dg.BackfillPolicy.single_run(),
        io_manager_key=io_manager_key,
    )


def _reference_to(code: Callable[..., Any]) -> dg.CodeReferencesMetadataValue:
    """Where a function stands, for the UI to open it."""
    file = str(Path(code.__code__.co_filename).resolve())
    line = code.__code__.co_firstlineno
    return dg.CodeReferencesMetadataValue(
        code_references=[dg.LocalFileCodeReference(file_path=file, line_number=line)]
    )


def asset_key(table: Table | str) -> dg.AssetKey:
    return dg.AssetKey(str(table).split("."))


def step_of(table: Table | str) -> str:
    """The step that computes a table."""
    return str(table).replace(".", "__")


def checks_step_of(table: Table | str) -> str:
    """The step that evaluates a table's checks."""
    return f"{step_of(table)}_checks"


def are_checks_selected(context: dg.AssetExecutionContext, table: Table) -> bool:
    """Whether a run evaluates a table's checks after computing it."""
    job = context.op_execution_context.job_def
    return job.has_node_named(checks_step_of(table))


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
