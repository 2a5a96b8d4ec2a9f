"""A small graph by days whose runs succeed, fail or are killed, for tests of the event log.

    python -m harvey_pipeline_tests.graph.event_log_graph raise 2024-04-01 2024-04-03

runs it for a range in the instance of DAGSTER_HOME: `succeed`, `raise` in the second asset, be
`kill`ed in it, or `wait` in it for the end of stdin.
"""

import os
import signal
import sys
from collections.abc import Iterator
from datetime import date

import dagster as dg

from harvey_pipeline.graph.partitions import range_tags
from harvey_pipeline.warehouse.days import DayRange

FATE = "EVENT_LOG_FATE"
DAYS = dg.DailyPartitionsDefinition("2024-04-01", end_date="2024-04-06")


@dg.asset(partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run())
def first(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    return dg.MaterializeResult(metadata={"days": len(context.partition_keys)})


@dg.asset(partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run(), deps=[first])
def second() -> None:
    if os.environ[FATE] == "raise":
        raise RuntimeError("this one fails")
    if os.environ[FATE] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if os.environ[FATE] == "wait":
        print("waiting", flush=True)
        sys.stdin.read()


@dg.asset(partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run(), deps=[second])
def third() -> None: ...


@dg.asset
def without_partitions() -> Iterator[dg.AssetObservation | dg.Output[None]]:
    yield dg.AssetObservation("without_partitions", metadata={"seen": 1})
    yield dg.Output(None)


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec("holds", asset="first", blocking=True),
        dg.AssetCheckSpec("warns", asset="first"),
    ]
)
def first_checks() -> Iterator[dg.AssetCheckResult]:
    yield dg.AssetCheckResult(passed=True, check_name="holds", metadata={"looked_at": 3})
    yield dg.AssetCheckResult(passed=False, check_name="warns", severity=dg.AssetCheckSeverity.WARN)


@dg.asset_check(asset=third)
def fails() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False, description="found two")


@dg.asset_check(asset=without_partitions)
def passes() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


defs = dg.Definitions(
    assets=[first, second, third, without_partitions],
    asset_checks=[first_checks, fails, passes],
    jobs=[
        dg.define_asset_job("days", [first, second, third]),
        dg.define_asset_job("whole", [without_partitions]),
    ],
    executor=dg.in_process_executor,
)


def main(fate: str, start: str, end: str) -> None:
    """Run the graph for a range of days, and then what has no days."""
    with dg.DagsterInstance.get() as instance:
        defs.resolve_job_def("whole").execute_in_process(instance=instance)
        run_days(instance, start, end, fate)


def run_days(instance: dg.DagsterInstance, start: str, end: str, fate: str = "succeed") -> str:
    """Run the graph for a range of days; the run's id."""
    os.environ[FATE] = fate
    days = DayRange(date.fromisoformat(start), date.fromisoformat(end))
    return (
        defs.resolve_job_def("days")
        .execute_in_process(instance=instance, raise_on_error=False, tags=range_tags(days))
        .run_id
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
