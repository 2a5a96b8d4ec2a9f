"""Evaluations as Dagster's asset checks: one step for all checks of a table."""

from collections.abc import Iterable

import dagster as dg

from harvey_pipeline.checks.plan import CheckPlan
from harvey_pipeline.checks.report import without_unwritten_days
from harvey_pipeline.graph.assets import asset_key, checks_step_of
from harvey_pipeline.graph.partitions import days_of_tags
from harvey_pipeline.landing.raw_store import RawStore
from harvey_pipeline.warehouse.commits import hold_back, let_through
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.retention import days_taken_out
from harvey_pipeline.warehouse.warehouse import Warehouse


def declare_checks(plan: CheckPlan) -> dg.AssetChecksDefinition:
    """The asset checks of a table, without partitions and without the asset as an input.

    They read the days of the run that they are part of from the tables themselves: a partitioned
    check is recorded for no day in a run over a range, and an input would load every day.
    """

    @dg.multi_asset_check(
        name=checks_step_of(plan.table),
        specs=[
            dg.AssetCheckSpec(
                check.name,
                asset=asset_key(plan.table),
                blocking=check.is_blocking,
                description=check.description,
                metadata={"rules": dict(check.rules)} if check.rules else None,
            )
            for check in plan.checks
        ],
    )
    def table_checks(
        context: dg.AssetCheckExecutionContext, warehouse: Warehouse, raw_store: RawStore
    ) -> Iterable[dg.AssetCheckResult]:
        days = days_of_tags(context.run.tags)
        results = evaluate_days(plan, warehouse, raw_store, days)
        settle(plan, warehouse, days, results)
        yield from results

    return table_checks


def settle(
    plan: CheckPlan,
    warehouse: Warehouse,
    days: DayRange | None,
    results: Iterable[dg.AssetCheckResult],
) -> None:
    """Note that partitions are done, or which blocking check does not let their rows through."""
    if days is None:
        return
    blocking = {check.name for check in plan.checks if check.is_blocking}
    failed = [
        str(result.check_name)
        for result in results
        if not result.passed
        and result.severity is dg.AssetCheckSeverity.ERROR
        and result.check_name in blocking
    ]
    with warehouse.connect() as connection:
        warehouse.prepare(connection, [plan.table])
        partitions = plan.table.partitions(days)
        for name in failed:
            hold_back(connection, plan.table, partitions, name)
        if not failed:
            let_through(connection, plan.table, partitions)
        warehouse.forget_states([plan.table], [days])


def evaluate_days(
    plan: CheckPlan, warehouse: Warehouse, raw_store: RawStore, days: DayRange | None
) -> list[dg.AssetCheckResult]:
    """Evaluate a table's checks for the days of a run, or for all its days where a run has none.

    A day that was never run fails every check: nothing about it has been looked at. Days that are
    archived, of the table or of one that the checks read, are left out. Of a table by months the
    days are the first ones of the months.
    """
    # Opening the file costs more than most queries: whatever connects meanwhile shares this one.
    with warehouse.connect():
        written = warehouse.days_written(plan.table)
        asked = sorted(written) if days is None else days.days
        if plan.table.is_monthly:
            asked = [day for day in asked if day.day == 1]
        unwritten = [day for day in asked if day not in written]
        taken_out = days_taken_out(warehouse)
        gone = {day for one in (plan.table, *plan.needs) for day in taken_out.get(one.name, ())}
        there = [day for day in asked if day not in gone]
        results = list(plan.evaluate(warehouse, raw_store, there))
    return [without_unwritten_days(one, unwritten, is_empty=not asked) for one in results]
