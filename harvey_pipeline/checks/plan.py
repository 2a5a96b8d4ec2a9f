"""All checks of one table as one plan: those that come by themselves, and the particular ones."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import dagster as dg
import duckdb
import polars as pl

from harvey_pipeline.checks.blocks import read_blocks
from harvey_pipeline.checks.contract import contract_of
from harvey_pipeline.checks.report import Check, Report, plural
from harvey_pipeline.checks.windows import (
    IS_CURRENT,
    WINDOW_IS_COMPLETE,
    days_not_run,
    days_of_history,
    days_read,
    stale_partitions,
    window_checks,
)
from harvey_pipeline.graph.assets import TableAsset
from harvey_pipeline.graph.due import Graph
from harvey_pipeline.landing.raw_store import RawStore
from harvey_pipeline.landing.source import Source
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline.warehouse.warehouse import Warehouse


@dataclass(frozen=True)
class Judging:
    """What a table's checks look at: an open warehouse, the days of the run, and the report."""

    connection: duckdb.DuckDBPyConnection
    warehouse: Warehouse
    raw_store: RawStore
    days: Sequence[date]
    report: Report


@dataclass(frozen=True)
class TableChecks:
    """What a subject checks of a table beyond what comes by itself.

    `judge` is called once, `judge_rows` with every block of the table's rows (labels as text).
    Both must tell the report about each of the checks that they answer for. `needs` are the
    tables that they read by SQL, those of other subjects by name.
    """

    table: Table
    checks: tuple[Check, ...]
    judge: Callable[[Judging], None] = lambda _: None
    judge_rows: Callable[[pl.DataFrame, Judging], None] | None = None
    needs: tuple[Table | str, ...] = ()


@dataclass(frozen=True)
class CheckPlan:
    """Every check of one table, and how they are evaluated for some days (or months)."""

    table: Table
    checks: tuple[Check, ...]
    evaluate: Callable[[Warehouse, RawStore, Sequence[date]], Iterator[dg.AssetCheckResult]]
    needs: tuple[Table, ...] = ()
    """The other tables that they read."""


@dataclass(frozen=True)
class Surroundings:
    """What the checks of windows know beyond their table.

    `covering` are the sources that tell which days there are, `tables` all tables by name,
    `graph` what computes the subject's.
    """

    covering: tuple[Source, ...]
    graph: Graph
    tables: Mapping[str, Table]


def tables_needed(
    particular: Sequence[TableChecks], tables: Mapping[str, Table]
) -> tuple[Table, ...]:
    """The tables that some checks read by SQL; `tables` are those of all subjects by name."""
    needs = (one for some in particular for one in some.needs)
    return tuple(dict.fromkeys(one if isinstance(one, Table) else tables[one] for one in needs))


def plan_checks(
    asset: TableAsset, particular: Sequence[TableChecks], surroundings: Surroundings
) -> CheckPlan:
    """The checks of a table that an asset computes."""
    table = asset.table
    contract = contract_of(table)
    checks = (
        contract.check,
        *(check for some in particular for check in some.checks),
        *window_checks(asset),
    )

    needs = tables_needed(particular, surroundings.tables)

    def evaluate(
        warehouse: Warehouse, raw_store: RawStore, days: Sequence[date]
    ) -> Iterator[dg.AssetCheckResult]:
        report = Report(table, checks, days)
        with warehouse.connect() as connection:
            warehouse.prepare(connection, dict.fromkeys((table, *needs)))
            judging = Judging(connection, warehouse, raw_store, days, report)
            of_rows = [some.judge_rows for some in particular if some.judge_rows is not None]
            for rows in read_blocks(connection, table, days, () if of_rows else contract.columns):
                contract.judge(rows, report)
                for judge_rows in of_rows:
                    judge_rows(rows, judging)
                # Else the block is held until the next one is read.
                del rows
            for some in particular:
                some.judge(judging)
        _judge_windows(asset, surroundings, judging)
        yield from report.results()

    return CheckPlan(table, checks, evaluate, needs)


def _judge_windows(asset: TableAsset, surroundings: Surroundings, judging: Judging) -> None:
    checks = window_checks(asset)
    if WINDOW_IS_COMPLETE in checks:
        start = date.fromisoformat(judging.raw_store.start_date)
        history = days_of_history(judging.raw_store, surroundings.covering)
        reads = {
            surroundings.tables[name]: read
            for name, read in days_read(asset).items()
            if surroundings.tables[name].schema_name != "raw"
        }
        found = days_not_run(judging.warehouse, history, judging.days, reads, start)
        judging.report.add(WINDOW_IS_COMPLETE, found)
    if IS_CURRENT in checks:
        stale = stale_partitions(
            surroundings.graph, asset.table, surroundings.tables, judging.warehouse
        )
        judging.report.add(IS_CURRENT, stale)
        if not stale.is_empty():
            days = stale["date"].to_list()
            named = ", ".join(map(str, days[:5])) + f" and {len(days) - 5} more" * (len(days) > 5)
            are = "is" if len(days) == 1 else "are"
            judging.report.say(
                IS_CURRENT,
                f"{len(days)} {plural(judging.report.noun, len(days))} {are} stale ({named}), "
                f"the first because {stale['reason'][0]}",
                advice="They are due: harvey run computes them again.",
            )
