"""How long each asset's steps took lately, and whether they have become slower."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Final

import dagster as dg

DAYS: Final = 7
"""So many days count as lately."""

BEFORE_DAYS: Final = 28
"""And so many days before them are what they are compared with."""

_FACTOR, _SECONDS = 1.5, 1.0


@dataclass(frozen=True)
class Timing:
    """The successful steps of one asset, in seconds: those of late, and those before."""

    asset: str
    runs: int
    median_seconds: float
    slowest_seconds: float
    runs_before: int
    median_before_seconds: float | None

    @property
    def is_slower(self) -> bool:
        """Whether the median rose by half, and by more than a second."""
        before = self.median_before_seconds
        return (
            before is not None
            and self.median_seconds >= _FACTOR * before
            and self.median_seconds - before > _SECONDS
        )


def find_timings(
    instance: dg.DagsterInstance, assets: Mapping[str, str], now: datetime, days: int = DAYS
) -> list[Timing]:
    """The timings of the assets that ran in the last days, the slowest first.

    `assets` are their names by the keys of their steps; steps with other keys are left out.
    """
    since = now - timedelta(days=days)
    lately: dict[str, list[float]] = {}
    before: dict[str, list[float]] = {}
    runs = dg.RunsFilter(created_after=since - timedelta(days=BEFORE_DAYS), created_before=now)
    for record in instance.get_run_records(runs):
        created = record.create_timestamp.replace(tzinfo=record.create_timestamp.tzinfo or UTC)
        into = lately if created >= since else before
        for step in instance.get_run_step_stats(record.dagster_run.run_id):
            name = assets.get(step.step_key)
            start, end = step.start_time, step.end_time
            is_done = step.status is not None and step.status.value == "SUCCESS"
            if name is not None and is_done and start is not None and end is not None:
                into.setdefault(name, []).append(end - start)
    found = [
        Timing(
            name,
            len(seconds),
            median(seconds),
            max(seconds),
            len(before.get(name, ())),
            median(before[name]) if name in before else None,
        )
        for name, seconds in lately.items()
    ]
    return sorted(found, key=lambda one: (-one.median_seconds, one.asset))


def timings_job(assets: Mapping[str, str]) -> dg.JobDefinition:
    """Looks at the timings of the last days, and warns of assets that have become slower."""

    @dg.op(name="find_timings")
    def look(context: dg.OpExecutionContext) -> None:
        found = find_timings(context.instance, assets, datetime.now(UTC))
        slower = [one for one in found if one.is_slower]
        for one in slower:
            context.log.warning(
                "%s takes %.1f s, %.1f s before",
                one.asset,
                one.median_seconds,
                one.median_before_seconds,
            )
        context.add_output_metadata(
            {"timings": dg.MetadataValue.md(_as_markdown(found)), "assets_slower": len(slower)}
        )

    @dg.job(
        name="timings",
        description=f"How long each asset took in the last {DAYS} days, against the {BEFORE_DAYS} "
        "before. Computes nothing.",
    )
    def job() -> None:
        look()

    return job


def timings_schedule(job: dg.JobDefinition) -> dg.ScheduleDefinition:
    """Every Monday."""
    return dg.ScheduleDefinition(
        name="timings_schedule",
        job=job,
        cron_schedule="0 6 * * 1",
        execution_timezone="UTC",
        description="Every Monday: which assets have become slower.",
    )


def _as_markdown(found: Iterable[Timing]) -> str:
    lines = ["| asset | runs | median s | slowest s | median before s | |", "| --- " * 6 + "|"]
    for one in found:
        old = "" if one.median_before_seconds is None else f"{one.median_before_seconds:.1f}"
        lines.append(
            f"| {one.asset} | {one.runs} | {one.median_seconds:.1f} | {one.slowest_seconds:.1f} "
            f"| {old} | {'slower' if one.is_slower else ''} |"
        )
    return "\n".join(lines)
